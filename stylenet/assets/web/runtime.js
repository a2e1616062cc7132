// Loads onnxruntime-web and other files, with progress.

const FILES = {
  wasm: ['ort.wasm.min.mjs', 'ort-wasm-simd-threaded.wasm'],
  webgpu: ['ort.webgpu.min.mjs', 'ort-wasm-simd-threaded.asyncify.wasm'],
};
// Beside the page, where the export put it, or where npm installs it.
const FOLDERS = [
  { folder: './runtime/', suffix: '.gz' },
  { folder: './node_modules/onnxruntime-web/dist/', suffix: '' },
];
const started = {}; // a promise of the runtime, by provider

/** Returns whether a provider's runtime is loaded or being loaded. */
export const hasStarted = (provider) => provider in started;

/**
 * Loads onnxruntime-web, once for each provider.
 *
 * @param {'wasm' | 'webgpu'} provider
 * @param {(bytes: number) => void} [onBytes] Called with the number of bytes that just arrived.
 * @returns {Promise<object>} Its module.
 * @throws {Error} It is missing.
 */
export function startRuntime(provider, onBytes) {
  started[provider] ??= start(provider, onBytes).catch((error) => {
    delete started[provider];
    throw error;
  });
  return started[provider];
}

async function start(provider, onBytes) {
  const [program, binary] = FILES[provider];
  for (const { folder, suffix } of FOLDERS) {
    let ort;
    try {
      ort = await import(folder + program);
    } catch {
      continue;
    }
    const url = new URL(folder + binary + suffix, import.meta.url).href;
    const bytes = await gunzip(await fetchBytes(url, onBytes));
    ort.env.logLevel = 'error';
    ort.env.wasm.wasmBinary = bytes.buffer;
    return ort;
  }
  throw new Error('onnxruntime-web is missing. Run `npm install` in the folder of this page.');
}

/**
 * Fetches a file.
 *
 * @param {string} url
 * @param {(bytes: number) => void} [onBytes] Called with the number of bytes that just arrived.
 * @returns {Promise<Uint8Array>} Its content.
 */
export async function fetchBytes(url, onBytes = () => {}) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} could not be loaded (${response.status}).`);
  const chunks = [];
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    onBytes(value.length);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/** Decompresses a .gz file, unless the server sent it with an encoding that the browser undid. */
async function gunzip(bytes) {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(plain).arrayBuffer());
}
