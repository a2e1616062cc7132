// Stylizes images in the browser with a network exported with format=web.

import { fetchBytes, startRuntime } from './runtime.js';

/** A network that stylizes anything a canvas can draw. */
export class Stylizer {
  /**
   * Loads a network.
   *
   * @param {string} url The ONNX file.
   * @param {object} options
   * @param {string} [options.provider] 'webgpu' (GPU) or 'wasm' (WebAssembly on the CPU). By default
   *     the GPU, if the browser has WebGPU and the GPU can run the network, else the CPU.
   * @param {(bytes: number) => void} [options.onBytes] Called with the number of bytes that just
   *     arrived, of the network and of onnxruntime-web.
   * @returns {Promise<Stylizer>} The loaded network.
   * @throws {Error} The runtime or the file is missing, or the file is not a network.
   */
  static async load(url, { provider, onBytes } = {}) {
    const [network, preferred] = await Promise.all([
      fetchBytes(url, onBytes),
      provider ?? preferredProvider(),
    ]);
    try {
      return await Stylizer.#start(preferred, network, onBytes);
    } catch (error) {
      if (provider || preferred === 'wasm') throw error;
      // float16, for example, needs a feature that not every GPU has.
      console.warn(`WebGPU cannot run ${url}; using WebAssembly: ${error.message}`);
      return Stylizer.#start('wasm', network, onBytes);
    }
  }

  static async #start(provider, network, onBytes) {
    const ort = await startRuntime(provider, onBytes);
    const session = await ort.InferenceSession.create(network, { executionProviders: [provider] });
    const stylizer = new Stylizer(ort, session, provider);
    // Operations that a GPU lacks fail only when they run.
    await stylizer.stylize(new OffscreenCanvas(16, 16), { size: 16 });
    return stylizer;
  }

  #ort;
  #session;
  #input = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  #output = new OffscreenCanvas(1, 1);

  constructor(ort, session, provider) {
    this.#ort = ort;
    this.#session = session;
    /** 'webgpu' or 'wasm'. */
    this.provider = provider;
  }

  /**
   * Stylizes an image. Await each call before the next one.
   *
   * @param {CanvasImageSource} source A bitmap, an image, a video or a canvas.
   * @param {object} options
   * @param {number} options.size Short side in pixels to scale down to; images are never enlarged.
   * @param {number} options.strength From 0 (the source) to 1 (fully stylized).
   * @param {Object<string, number>} options.inputs Values of the network's other inputs, by name; 1
   *     for each one that is left out.
   * @returns {Promise<OffscreenCanvas>} The stylized image, with the source's transparency. The next
   *     call overwrites it.
   */
  async stylize(source, { size = Infinity, strength = 1, inputs = {} } = {}) {
    const [fullWidth, fullHeight] = sizeOf(source);
    const scale = Math.min(1, size / Math.min(fullWidth, fullHeight));
    const width = Math.max(1, Math.round(fullWidth * scale));
    const height = Math.max(1, Math.round(fullHeight * scale));
    const { canvas } = this.#input;
    canvas.width = this.#output.width = width;
    canvas.height = this.#output.height = height;
    this.#input.imageSmoothingQuality = 'high';
    this.#input.drawImage(source, 0, 0, width, height);
    const pixels = this.#input.getImageData(0, 0, width, height);

    const image = new this.#ort.Tensor('float32', toPlanes(pixels.data), [1, 3, height, width]);
    const feeds = { image };
    for (const name of this.#session.inputNames) {
      feeds[name] ??= new this.#ort.Tensor('float32', [inputs[name] ?? 1], [1]);
    }
    const { stylized } = await this.#session.run(feeds);
    blendPlanes(pixels.data, await stylized.getData(), strength);
    stylized.dispose();
    this.#output.getContext('2d').putImageData(pixels, 0, 0);
    return this.#output;
  }

  /** Frees the memory of the network, which cannot be used after it. */
  async release() {
    await this.#session.release();
  }
}

/** Returns 'webgpu' if the browser has a GPU that is more than a program, else 'wasm'. */
export async function preferredProvider() {
  const adapter = await navigator.gpu?.requestAdapter();
  return adapter && !adapter.info.isFallbackAdapter ? 'webgpu' : 'wasm';
}

/** Returns width and height of an image source in pixels. */
function sizeOf(source) {
  return [
    source.videoWidth || source.naturalWidth || source.width,
    source.videoHeight || source.naturalHeight || source.height,
  ];
}

/** Converts interleaved RGBA bytes to RGB planes of floats in [0, 1]. */
function toPlanes(bytes) {
  const count = bytes.length / 4;
  const planes = new Float32Array(3 * count);
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) planes[c * count + i] = bytes[4 * i + c] / 255;
  }
  return planes;
}

/** Blends RGB planes into interleaved RGBA bytes, leaving alpha unchanged. */
function blendPlanes(bytes, planes, strength) {
  const count = bytes.length / 4;
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) {
      const stylized = 255 * planes[c * count + i];
      bytes[4 * i + c] += strength * (stylized - bytes[4 * i + c]);
    }
  }
}
