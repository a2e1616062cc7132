// The page's controls: stylizes a photo or the camera and shows the result on the canvas.

import { Stylizer } from './stylizer.js';

const element = (id) => document.getElementById(id);
const NAMES = { webgpu: 'WebGPU', wasm: 'WebAssembly' };
const setStatus = (text) => (element('status').textContent = text);

let stylizer;
let source; // what is stylized: a bitmap, or the camera's video
let busy = false;
let outdated = false; // the source or an option changed while busy

/** Stylizes the source, again if anything changed meanwhile, and every frame of a camera. */
async function update() {
  if (!stylizer || !source || !element('size').validity.valid) return;
  outdated = true;
  if (busy) return;
  busy = true;
  try {
    while (outdated && source) {
      outdated = source instanceof HTMLVideoElement;
      if (!outdated) setStatus('Stylizing …');
      // Lets the browser draw and handle events.
      await new Promise((ready) => requestAnimationFrame(() => setTimeout(ready)));
      if (source) await stylize();
    }
  } catch (error) {
    outdated = false;
    setStatus(`Stylizing failed: ${error.message ?? error}. Try a smaller size.`);
  }
  busy = false;
}

async function stylize() {
  const start = performance.now();
  const size = element('size').valueAsNumber;
  const strength = element('strength').valueAsNumber;
  const current = source;
  const stylized = await stylizer.stylize(current, { size, strength });
  if (source !== current) return; // another source was chosen meanwhile
  const canvas = element('result');
  canvas.width = stylized.width;
  canvas.height = stylized.height;
  canvas.getContext('2d').drawImage(stylized, 0, 0);
  element('save').disabled = false;
  const milliseconds = Math.round(performance.now() - start);
  const provider = NAMES[stylizer.provider];
  setStatus(`${stylized.width} x ${stylized.height} in ${milliseconds} ms, by ${provider}`);
}

/** Replaces the source, and closes the last photo or camera. */
function setSource(next) {
  if (source instanceof HTMLVideoElement) source.srcObject.getTracks().forEach((track) => track.stop());
  source?.close?.();
  source = next;
  return update();
}

async function openPhoto(file) {
  if (!file) return;
  try {
    // Upright, by the orientation in the EXIF data.
    await setSource(await createImageBitmap(file, { imageOrientation: 'from-image' }));
  } catch {
    setSource(undefined); // a running camera would overwrite the message
    setStatus(`This browser cannot read ${file.name}. Choose a JPEG, PNG or WebP image.`);
  }
}

async function openCamera() {
  const video = document.createElement('video');
  try {
    // Browsers allow cameras only on https and localhost.
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
    video.muted = video.playsInline = true;
    await video.play();
  } catch (error) {
    setStatus(`No camera: ${error.message}. Open the page from localhost or by https.`);
    return;
  }
  await setSource(video);
}

function save() {
  element('result').toBlob((blob) => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = `${element('style').textContent}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  });
}

element('photo').addEventListener('change', (event) => openPhoto(event.target.files[0]));
element('camera').addEventListener('click', openCamera);
element('size').addEventListener('change', update);
element('strength').addEventListener('input', update);
element('save').addEventListener('click', save);
document.addEventListener('paste', (event) => openPhoto(event.clipboardData.files[0]));
document.addEventListener('dragover', (event) => {
  event.preventDefault();
  document.body.classList.add('over');
});
document.addEventListener('dragleave', () => document.body.classList.remove('over'));
document.addEventListener('drop', (event) => {
  event.preventDefault();
  document.body.classList.remove('over');
  openPhoto(event.dataTransfer.files[0]);
});

try {
  const report = await (await fetch('network.onnx.json')).json();
  element('style').textContent = document.title = report.style;
  stylizer = await Stylizer.load('network.onnx');
  setStatus('Choose a photo, drop or paste one, or use the camera. Nothing leaves this machine.');
  await update();
} catch (error) {
  setStatus(error.message);
}
