// The page: stylizes a photo or the camera in the chosen style and shows the result on the canvas.

import { download, fillGallery, fillSliders, sliderValues } from './controls.js';
import { completeOffline, startOffline } from './offline.js';
import { canRecord, Recording } from './recorder.js';
import { hasStarted } from './runtime.js';
import { preferredProvider, Stylizer } from './stylizer.js';

const element = (id) => document.getElementById(id);
const PROVIDERS = { webgpu: 'WebGPU', wasm: 'WebAssembly' };
const MEGABYTE = 1e6;

let description; // page.json
let network; // the chosen one, of page.json
let stylizer; // of the chosen network; undefined while it loads
let source; // what is stylized: a bitmap, or the camera's video
let sourceName = 'camera';
let recording;
let busy = false;
let outdated = false; // the source or an option changed while busy
let choice = 0; // counts the choices of styles, so that the last one wins

function setStatus(text, isProblem = false) {
  element('status').textContent = text;
  element('status').classList.toggle('problem', isProblem);
}

// Loading

/** Loads a network and stylizes the source with it. */
async function chooseNetwork(next) {
  const mine = ++choice;
  network = next;
  markChosen(next);
  document.title = description.networks.length > 1 ? `${next.title} · ${description.title}` : next.title;
  history.replaceState(null, '', `#${encodeURIComponent(next.name)}`);
  const before = stylizer;
  stylizer = undefined;
  idle().then(() => before?.release());
  showProgress(0, 0);
  try {
    const provider = await preferredProvider();
    const total = next.bytes + (hasStarted(provider) ? 0 : (description.runtime[provider] ?? 0));
    let done = 0;
    const onBytes = (count) => {
      done += count;
      if (mine === choice) showProgress(done, Math.max(total, done));
    };
    const loaded = await Stylizer.load(next.file, { onBytes });
    if (mine !== choice) return void loaded.release();
    stylizer = loaded;
  } catch (error) {
    if (mine === choice) setStatus(error.message ?? String(error), true);
    return;
  } finally {
    if (mine === choice) element('loading').hidden = true;
  }
  fillSliders(element('sliders'), next.inputs, update);
  setStatus('Choose a photo, drop or paste one, or use the camera.');
  completeOffline(stylizer.provider, () => (element('offline').hidden = false));
  await update();
}

function showProgress(done, total) {
  element('loading').hidden = false;
  if (total) element('progress').value = done / total;
  else element('progress').removeAttribute('value');
  const size = total ? `: ${(done / MEGABYTE).toFixed(1)} of ${(total / MEGABYTE).toFixed(1)} MB` : '';
  setStatus(`Loading ${network.title}${size}`);
}

// Stylizing

/** Waits until no image is being stylized. */
async function idle() {
  while (busy) await new Promise((ready) => setTimeout(ready, 10));
}

/** Stylizes the source, again if anything changed meanwhile, and every frame of a camera. */
async function update() {
  if (!stylizer || !source || !element('size').validity.valid) return;
  outdated = true;
  if (busy) return;
  busy = true;
  try {
    while (outdated && source && stylizer) {
      outdated = source instanceof HTMLVideoElement;
      if (!outdated) setStatus('Stylizing …');
      // Lets the browser draw and handle events.
      await new Promise((ready) => requestAnimationFrame(() => setTimeout(ready)));
      if (source && stylizer) await stylize();
    }
  } catch (error) {
    outdated = false;
    setStatus(`Stylizing failed: ${error.message ?? error}. Try a smaller size.`, true);
  }
  busy = false;
}

async function stylize() {
  const start = performance.now();
  const [current, currentStylizer] = [source, stylizer];
  const stylized = await currentStylizer.stylize(current, {
    size: element('size').valueAsNumber,
    strength: element('strength').valueAsNumber,
    inputs: sliderValues(element('sliders')),
  });
  if (source !== current || stylizer !== currentStylizer) return; // another one was chosen meanwhile
  const canvas = element('result');
  canvas.width = stylized.width;
  canvas.height = stylized.height;
  canvas.getContext('2d').drawImage(stylized, 0, 0);
  canvas.hidden = false;
  element('empty').hidden = true;
  recording?.draw(canvas);
  element('save').disabled = false;
  const isCamera = current instanceof HTMLVideoElement;
  element('record').disabled = !isCamera || !canRecord();
  if (isCamera && !canRecord()) element('record').title = 'This browser cannot record.';
  const milliseconds = Math.round(performance.now() - start);
  const text = `${stylized.width} x ${stylized.height} in ${milliseconds} ms`;
  setStatus(`${recording ? 'Recording. ' : ''}${text}, by ${PROVIDERS[currentStylizer.provider]}`);
}

// Sources

/** Replaces the source, and closes the last photo or camera. */
async function setSource(next, name) {
  await stopRecording();
  if (source instanceof HTMLVideoElement) source.srcObject.getTracks().forEach((track) => track.stop());
  source?.close?.();
  source = next;
  sourceName = name;
  element('record').disabled = true;
  return update();
}

async function openPhoto(file, name = file?.name) {
  if (!file) return;
  try {
    // Upright, by the orientation in the EXIF data.
    const bitmap = await createImageBitmap(file, { imageOrientation: 'from-image' });
    await setSource(bitmap, name.replace(/\.[^.]*$/, ''));
  } catch {
    await setSource(undefined); // a running camera would overwrite the message
    setStatus(`This browser cannot read ${name}. Choose a JPEG, PNG or WebP image.`, true);
  }
}

async function openSample() {
  await openPhoto(await (await fetch('sample.jpg')).blob(), 'sample.jpg');
}

async function openCamera() {
  const video = document.createElement('video');
  try {
    // Browsers allow cameras only on https and localhost.
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
    video.muted = video.playsInline = true;
    await video.play();
  } catch (error) {
    setStatus(`No camera: ${error.message}. Open the page from localhost or by https.`, true);
    return;
  }
  await setSource(video, 'camera');
}

// Results

const resultName = () => `${sourceName}_${network.name}`;

function save() {
  element('result').toBlob((blob) => download(blob, `${resultName()}.png`));
}

async function toggleRecording() {
  if (recording) return stopRecording();
  try {
    recording = new Recording(element('result'));
  } catch (error) {
    setStatus(`Recording failed: ${error.message}`, true);
    return;
  }
  element('record').textContent = 'Stop';
  element('record').setAttribute('aria-pressed', 'true');
}

/** Ends a recording and offers it for download. */
async function stopRecording() {
  if (!recording) return;
  const ended = recording;
  recording = undefined;
  element('record').textContent = 'Record';
  element('record').removeAttribute('aria-pressed');
  try {
    const [blob, suffix] = await ended.stop();
    download(blob, resultName() + suffix);
  } catch (error) {
    setStatus(`Recording failed: ${error.message ?? error}`, true);
  }
}

// Start

const openChooser = () => element('photo').click();
element('choose').addEventListener('click', openChooser);
element('other').addEventListener('click', openChooser);
element('sample').addEventListener('click', openSample);
element('photo').addEventListener('change', (event) => {
  openPhoto(event.target.files[0]);
  event.target.value = ''; // so that the same file can be chosen again
});
element('camera').addEventListener('click', openCamera);
element('record').addEventListener('click', toggleRecording);
element('save').addEventListener('click', save);
element('size').addEventListener('change', update);
element('strength').addEventListener('input', () => {
  element('strength-value').value = `${Math.round(100 * element('strength').valueAsNumber)} %`;
  update();
});
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

let markChosen;
try {
  await startOffline(() => {
    if (source) setStatus('There is a new version of this page. Reload to use it.');
    else location.reload();
  });
  description = await (await fetch('page.json')).json();
  element('title').textContent = description.title;
  markChosen = fillGallery(element('gallery'), description.networks, chooseNetwork);
  const asked = decodeURIComponent(location.hash.slice(1));
  const { networks } = description;
  await chooseNetwork(networks.find(({ name }) => name === asked) ?? networks[0]);
} catch (error) {
  setStatus(error.message ?? String(error), true);
}
