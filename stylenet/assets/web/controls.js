// Controls that page.json describes: the gallery of styles, and sliders for a network's inputs.

/**
 * Fills the gallery with a button for each network.
 *
 * @param {HTMLElement} gallery
 * @param {object[]} networks The networks of page.json.
 * @param {(network: object) => void} choose Called with the network whose button is pressed.
 * @returns {(network: object) => void} Marks a network as the chosen one.
 */
export function fillGallery(gallery, networks, choose) {
  const buttons = networks.map((network) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.dataset.name = network.name;
    const picture = document.createElement('img');
    picture.src = network.picture;
    picture.alt = '';
    button.append(picture, network.title);
    button.addEventListener('click', () => choose(network));
    return button;
  });
  gallery.replaceChildren(...buttons);
  gallery.hidden = networks.length < 2;
  return (chosen) => {
    for (const button of buttons) button.setAttribute('aria-pressed', button.dataset.name === chosen.name);
  };
}

/**
 * Replaces the sliders of the network's inputs; a value stays if the next network has the same input.
 *
 * @param {HTMLElement} parent
 * @param {object[]} inputs The inputs of a network in page.json: name, label, minimum, maximum, default.
 * @param {() => void} onChange Called when a slider is moved.
 */
export function fillSliders(parent, inputs, onChange) {
  const before = sliderValues(parent);
  for (const label of parent.querySelectorAll('label[data-input]')) label.remove();
  for (const input of inputs) {
    const label = document.createElement('label');
    label.dataset.input = input.name;
    const output = document.createElement('output');
    const slider = document.createElement('input');
    slider.type = 'range';
    slider.id = `input-${input.name}`;
    slider.min = input.minimum;
    slider.max = input.maximum;
    slider.step = 'any';
    slider.value = before[input.name] ?? input.default;
    const show = () => (output.value = slider.valueAsNumber.toFixed(2));
    slider.addEventListener('input', () => {
      show();
      onChange();
    });
    show();
    const text = document.createElement('span');
    text.append(input.label, output);
    label.append(text, slider);
    parent.append(label);
  }
}

/** Returns the values of the sliders by the names of the inputs. */
export function sliderValues(parent) {
  const sliders = parent.querySelectorAll('label[data-input] input');
  return Object.fromEntries(
    Array.from(sliders, (slider) => [slider.parentElement.dataset.input, slider.valueAsNumber]),
  );
}

/** Offers a file for download. */
export function download(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
