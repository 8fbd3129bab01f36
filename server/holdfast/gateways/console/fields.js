/** Controls with their labels, and the values in them, as a JSON schema says. */

import { h, set } from "./dom.js";
import { title } from "./values.js";
import { visible } from "./visible.js";

/** One that is clicked, or else sends its form. */
export const button = (kind, label, click) =>
  h("button", click ? { type: "button", class: kind, onclick: click } : { type: "submit", class: kind }, label);

let count = 0;
export const labelled = (label, control, className = "field") => {
  const id = `field-${++count}`;
  set(control, { id });
  return h("div", { class: className }, h("label", { for: id }, label), control);
};

/** What nobody touched stays exactly as it is: a control may not be able to hold it. */
const unlessTouched = (control, value, parse) => {
  const before = control.value;
  return { control, read: () => (control.value === before ? value : parse(control.value)) };
};

/** Several lines, as high as what is in them. */
export const lines = (value, rows = 3) => {
  const area = h("textarea", { rows, spellcheck: "false", autocomplete: "off" });
  area.value = value;
  return area;
};

/**
 * The fields of an object.
 *
 * @param {any} schema of the object; what it does not say is taken from the values
 * @param {any} [values] what stands in the fields at first
 * @returns {{node: Element, read: () => any}} `read` gives the object, and throws at what is no JSON
 */
export const fieldsOf = ({ properties = {}, required = [] } = {}, values = {}) => {
  const names = [...new Set([...Object.keys(properties), ...Object.keys(values)])];
  const fields = names.map((name) => field(name, properties[name] ?? {}, values[name], required.includes(name)));
  return {
    node: h("div", { class: "fields" }, fields.map(({ node }) => node)),
    read: () => Object.fromEntries(fields.map(({ name, read }) => [name, read()]).filter(([, value]) => value !== undefined)),
  };
};

const field = (name, schema, value = schema.default, required) => {
  const { control, read } = KINDS[kindOf(schema, value)](schema, value, required);
  const label = schema.title ? visible(schema.title) : title(name);
  return { name, read, node: labelled(label, control, control.type === "checkbox" ? "field check" : "field") };
};

const kindOf = ({ type, enum: options }, value) => {
  if (options) return "choice";
  const kind = type ?? (typeof value === "object" ? "json" : typeof value);
  return kind in KINDS ? kind : "json";
};

const number = (schema, value, required) => {
  const step = schema.type === "integer" ? null : "any";
  const control = h("input", { type: "number", step, required, min: schema.minimum, max: schema.maximum, value: value ?? null });
  return unlessTouched(control, value, (words) => (words === "" ? undefined : Number(words)));
};

const LINE_MAX = 80; // characters; what is longer gets several lines
const INPUTS = { email: "email", uri: "url", date: "date" };

const KINDS = {
  string: (schema, value, required) => {
    const isLong = value?.length > LINE_MAX || value?.includes("\n");
    const type = INPUTS[schema.format] ?? "text";
    const control = isLong ? lines(value) : h("input", { type, required, value: value ?? null, autocomplete: "off" });
    return unlessTouched(control, value, (words) => words || (required ? "" : undefined));
  },
  number,
  integer: number,
  boolean: (_, value) => {
    const control = h("input", { type: "checkbox", checked: value === true });
    return { control, read: () => control.checked };
  },
  choice: ({ enum: options }, value, required) => {
    const control = h("select", { required }, options.map((option, i) => h("option", { value: i, selected: option === value }, visible(option))));
    return { control, read: () => options[control.value] };
  },
  json: (_, value, required) => {
    const control = lines(value === undefined ? "" : JSON.stringify(value, null, 2));
    set(control, { required, class: "json" });
    return unlessTouched(control, value, (words) => (words.trim() ? JSON.parse(words) : undefined));
  },
};
