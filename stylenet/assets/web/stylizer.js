// Stylizes pictures in the browser with a network that `scripts/export.py format=web` wrote.

const RUNTIME = './node_modules/onnxruntime-web/dist';

/** A network, ready to stylize whatever a canvas can draw. */
export class Stylizer {
  /**
   * Loads a network.
   *
   * @param {string} url The ONNX file.
   * @param {string} [provider] What it is to run by, 'webgpu' or 'wasm'. Without: on the graphics
   *     card where the browser has WebGPU and the card can, else by WebAssembly on the processor.
   * @returns {Promise<Stylizer>} The network.
   * @throws {Error} The runtime or the file is missing, or the file is no network.
   */
  static async load(url, provider) {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${url} could not be loaded (${response.status})`);
    const network = new Uint8Array(await response.arrayBuffer());
    if (provider) return Stylizer.#start(provider, network);
    const adapter = await navigator.gpu?.requestAdapter();
    if (adapter && !adapter.info.isFallbackAdapter) {
      try {
        return await Stylizer.#start('webgpu', network);
      } catch (error) {
        // float16 needs a feature that not every card has.
        console.warn(`WebGPU cannot run ${url}, WebAssembly does: ${error.message}`);
      }
    }
    return Stylizer.#start('wasm', network);
  }

  static async #start(provider, network) {
    let ort;
    try {
      ort = await import(`${RUNTIME}/ort.${provider}.min.mjs`);
    } catch {
      throw new Error('onnxruntime-web is missing: run `npm install` in the folder of this page');
    }
    ort.env.logLevel = 'error';
    const session = await ort.InferenceSession.create(network, { executionProviders: [provider] });
    const stylizer = new Stylizer(ort, session, provider);
    // What a card cannot do shows only when it runs.
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
   * Stylizes a picture; pictures have to be given one after the other.
   *
   * @param {CanvasImageSource} source A bitmap, an image, a video, a canvas.
   * @param {object} options How.
   * @param {number} options.size The shorter side in pixels that the picture is brought to; never
   *     more than its own.
   * @param {number} options.strength From 0, the photo, to 1, the painting.
   * @returns {Promise<OffscreenCanvas>} The picture, overwritten by the next; transparent where
   *     the source is.
   */
  async stylize(source, { size = Infinity, strength = 1 } = {}) {
    const [fullWidth, fullHeight] = sizeOf(source);
    const scale = Math.min(1, size / Math.min(fullWidth, fullHeight));
    const width = Math.max(1, Math.round(fullWidth * scale));
    const height = Math.max(1, Math.round(fullHeight * scale));
    const { canvas } = this.#input;
    canvas.width = this.#output.width = width;
    canvas.height = this.#output.height = height;
    this.#input.imageSmoothingQuality = 'high';
    this.#input.drawImage(source, 0, 0, width, height);
    const picture = this.#input.getImageData(0, 0, width, height);

    const image = new this.#ort.Tensor('float32', toPlanes(picture.data), [1, 3, height, width]);
    const { stylized } = await this.#session.run({ image });
    mixPlanes(picture.data, await stylized.getData(), strength);
    stylized.dispose();
    this.#output.getContext('2d').putImageData(picture, 0, 0);
    return this.#output;
  }
}

/** Width and height in pixels of what a canvas can draw. */
function sizeOf(source) {
  return [
    source.videoWidth || source.naturalWidth || source.width,
    source.videoHeight || source.naturalHeight || source.height,
  ];
}

/** RGBA bytes, pixel after pixel, as floats in [0, 1], color after color. */
function toPlanes(bytes) {
  const count = bytes.length / 4;
  const planes = new Float32Array(3 * count);
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) planes[c * count + i] = bytes[4 * i + c] / 255;
  }
  return planes;
}

/** Mixes the network's colors into RGBA bytes, whose transparency stays. */
function mixPlanes(bytes, planes, strength) {
  const count = bytes.length / 4;
  for (let i = 0; i < count; i++) {
    for (let c = 0; c < 3; c++) {
      const painted = 255 * planes[c * count + i];
      bytes[4 * i + c] += strength * (painted - bytes[4 * i + c]);
    }
  }
}
