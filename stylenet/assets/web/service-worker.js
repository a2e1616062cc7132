// Answers the page's requests from a cache with one version of all files, so that it works offline.

importScripts('files.js'); // written by the export: { version, files }
const { version, files } = self.PAGE;
// All pages of a host share its caches.
const PREFIX = `stylenet ${self.registration.scope} `;
const CACHE = PREFIX + version;
const RUNTIMES = ['runtime/', 'node_modules/onnxruntime-web/'];
const isRuntime = (name) => RUNTIMES.some((folder) => name.startsWith(folder));
const isLarge = (name) => isRuntime(name) || name.endsWith('.onnx');

// Asks the server whether a file that the browser has is still the newest.
const request = (name) => new Request(new URL(name, self.registration.scope), { cache: 'no-cache' });

self.addEventListener('install', (event) => {
  const store = async () => {
    const cache = await caches.open(CACHE);
    // Networks and runtime follow when the page loads them, and by the message below.
    await cache.addAll(files.filter((name) => !isLarge(name)).map(request));
    await self.skipWaiting();
  };
  event.waitUntil(store());
});

self.addEventListener('activate', (event) => {
  const replace = async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
    }
    await self.clients.claim();
  };
  event.waitUntil(replace());
});

self.addEventListener('fetch', (event) => {
  const name = nameOf(event.request);
  if (name !== undefined) event.respondWith(answer(event, name));
});

self.addEventListener('message', (event) => {
  const [port] = event.ports;
  const complete = async () => {
    const cache = await caches.open(CACHE);
    for (const name of files) {
      // Half of the runtime is for GPUs.
      const isUnused = isRuntime(name) && /webgpu|asyncify/.test(name) && event.data.provider !== 'webgpu';
      if (!isUnused && !(await cache.match(request(name)))) await cache.add(request(name));
    }
    port.postMessage('complete');
  };
  event.waitUntil(complete().catch((error) => port.postMessage(`incomplete: ${error.message}`)));
});

/** Returns the name of a requested file of the page; undefined for anything else. */
function nameOf({ method, url }) {
  const { scope } = self.registration;
  const plain = url.split(/[?#]/)[0];
  if (method !== 'GET' || !plain.startsWith(scope)) return undefined;
  const name = decodeURIComponent(plain.slice(scope.length)) || 'index.html';
  return files.includes(name) || isRuntime(name) ? name : undefined;
}

async function answer(event, name) {
  const cache = await caches.open(CACHE);
  let response = await cache.match(request(name));
  if (!response) {
    response = await fetch(request(name));
    if (response.ok) event.waitUntil(cache.put(request(name), response.clone()).catch(console.warn));
  }
  // With these headers the page is cross-origin isolated, which threads need.
  const headers = new Headers(response.headers);
  headers.set('Cross-Origin-Opener-Policy', 'same-origin');
  headers.set('Cross-Origin-Embedder-Policy', 'require-corp');
  const { body, status, statusText } = response;
  return new Response(body, { status, statusText, headers });
}
