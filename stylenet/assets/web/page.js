// The page's controls: a photo or the camera in, the stylized picture on the canvas.

import { Stylizer } from './stylizer.js';

const element = (id) => document.getElementById(id);
const NAMES = { webgpu: 'WebGPU', wasm: 'WebAssembly' };
const say = (text) => (element('status').textContent = text);

let stylizer;
let photo; // what is stylized: a bitmap, or the camera's video
let busy = false;
let again = false; // something changed while it was busy

/** Stylizes the photo, once more if anything changed meanwhile, and the camera's next frame. */
async function show() {
  if (!stylizer || !photo || !element('size').validity.valid) return;
  again = true;
  if (busy) return;
  busy = true;
  try {
    while (again && photo) {
      again = photo instanceof HTMLVideoElement;
      if (!again) say('Stylizing …');
      // Lets the browser draw, and its events come in.
      await new Promise((ready) => requestAnimationFrame(() => setTimeout(ready)));
      if (photo) await paint();
    }
  } catch (error) {
    again = false;
    say(`This picture cannot be stylized: ${error.message ?? error}. A smaller side may help.`);
  }
  busy = false;
}

async function paint() {
  const start = performance.now();
  const size = element('size').valueAsNumber;
  const strength = element('strength').valueAsNumber;
  const source = photo;
  const painted = await stylizer.stylize(source, { size, strength });
  if (photo !== source) return; // another was chosen meanwhile
  const canvas = element('result');
  canvas.width = painted.width;
  canvas.height = painted.height;
  canvas.getContext('2d').drawImage(painted, 0, 0);
  element('save').disabled = false;
  const milliseconds = Math.round(performance.now() - start);
  say(`${painted.width} x ${painted.height} in ${milliseconds} ms, by ${NAMES[stylizer.provider]}`);
}

/** Lets go of the last photo or camera. */
function put(next) {
  if (photo instanceof HTMLVideoElement) photo.srcObject.getTracks().forEach((track) => track.stop());
  photo?.close?.();
  photo = next;
  return show();
}

async function openPhoto(file) {
  if (!file) return;
  try {
    // Upright, as phones' photos say in their EXIF data.
    await put(await createImageBitmap(file, { imageOrientation: 'from-image' }));
  } catch {
    put(undefined); // a camera would go on, over these words
    say(`${file.name} is no image that this browser can read; JPEG, PNG and WebP are.`);
  }
}

async function openCamera() {
  const video = document.createElement('video');
  try {
    // Only on https and localhost.
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
    video.muted = video.playsInline = true;
    await video.play();
  } catch (error) {
    say(`No camera: ${error.message}. The page has to come from localhost or by https.`);
    return;
  }
  await put(video);
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
element('size').addEventListener('change', show);
element('strength').addEventListener('input', show);
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
  say('Choose a photo, drop or paste one, or use the camera. Nothing leaves this machine.');
  await show();
} catch (error) {
  say(error.message);
}
