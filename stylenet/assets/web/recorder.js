// Records what a canvas shows as a video.

// MP4 first, because every player and phone opens it.
const TYPES = ['video/mp4;codecs=avc1.640028', 'video/webm;codecs=vp9', 'video/webm;codecs=vp8'];
const type = () => TYPES.find((each) => MediaRecorder.isTypeSupported(each));

/** Returns whether this browser can record a canvas. */
export const canRecord = () =>
  'MediaRecorder' in globalThis && 'captureStream' in HTMLCanvasElement.prototype && Boolean(type());

/** A recording of frames that are drawn into it. */
export class Recording {
  #canvas = document.createElement('canvas');
  #chunks = [];
  #recorder;

  /**
   * Starts a recording.
   *
   * @param {HTMLCanvasElement} first The first frame, whose size the video gets.
   */
  constructor(first) {
    // H.264 needs even sizes.
    this.#canvas.width = 2 * Math.ceil(first.width / 2);
    this.#canvas.height = 2 * Math.ceil(first.height / 2);
    this.draw(first);
    const options = { mimeType: type(), videoBitsPerSecond: 8_000_000 };
    this.#recorder = new MediaRecorder(this.#canvas.captureStream(), options);
    this.#recorder.addEventListener('dataavailable', ({ data }) => this.#chunks.push(data));
    // Chunks of a second, which browsers may keep on the disk.
    this.#recorder.start(1000);
  }

  /** Adds a frame; one of another size is scaled. */
  draw(frame) {
    const { width, height } = this.#canvas;
    this.#canvas.getContext('2d').drawImage(frame, 0, 0, width, height);
  }

  /**
   * Ends the recording.
   *
   * @returns {Promise<[Blob, string]>} The video, and the suffix of its file name.
   */
  async stop() {
    const stopped = new Promise((resolve, reject) => {
      this.#recorder.addEventListener('stop', resolve);
      this.#recorder.addEventListener('error', ({ error }) => reject(error));
    });
    if (this.#recorder.state !== 'inactive') {
      this.#recorder.stop();
      await stopped;
    }
    const mime = this.#recorder.mimeType.split(';')[0];
    return [new Blob(this.#chunks, { type: mime }), mime === 'video/mp4' ? '.mp4' : '.webm'];
  }
}
