// Keeps the page for use without a network, and makes it cross-origin isolated.

const RELOADED = 'reloaded to be isolated';

/**
 * Starts the service worker. Browsers have it on https and localhost only; elsewhere the page works
 * without it.
 *
 * The first visit reloads the page once: with the headers that the service worker adds,
 * WebAssembly may use several cores.
 *
 * @param {() => void} onUpdate Called when another version of the page has replaced this one.
 */
export async function startOffline(onUpdate) {
  const container = navigator.serviceWorker;
  if (!container) return;
  const hadController = Boolean(container.controller);
  const controlled = new Promise((resolve) => {
    container.addEventListener('controllerchange', resolve, { once: true });
  });
  try {
    const registration = await container.register('service-worker.js', { updateViaCache: 'none' });
    if (hadController) controlled.then(onUpdate);
    // A forced reload has no controller, and gets none.
    else if (registration.installing ?? registration.waiting) await controlled;
  } catch (error) {
    console.warn(`The page will not work offline: ${error.message}`);
    return;
  }
  if (container.controller && !crossOriginIsolated && !sessionStorage.getItem(RELOADED)) {
    sessionStorage.setItem(RELOADED, 'yes');
    location.reload();
    await new Promise(() => {}); // the page begins again
  }
}

/**
 * Stores the files that this visit has not loaded, such as the other networks.
 *
 * @param {string} provider The runtime's provider on this device.
 * @param {() => void} onComplete Called when the page works offline.
 */
export function completeOffline(provider, onComplete) {
  const channel = new MessageChannel();
  channel.port1.onmessage = ({ data }) => data === 'complete' && onComplete();
  navigator.serviceWorker?.controller?.postMessage({ provider }, [channel.port2]);
}
