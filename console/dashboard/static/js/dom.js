// Elements from functions, and a patch that keeps the nodes that are there: focus, scroll and charts survive.

const SVG = "http://www.w3.org/2000/svg";
const HANDLERS = ["onclick", "oninput", "onchange", "onsubmit", "onkeydown"];

function fill(node, attrs, children) {
  for (const [name, value] of Object.entries(attrs || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

export const h = (tag, attrs, ...children) => fill(document.createElement(tag), attrs, children);
export const s = (tag, attrs, ...children) => fill(document.createElementNS(SVG, tag), attrs, children);

function sameKind(a, b) {
  if (a.nodeType !== b.nodeType || a.nodeName !== b.nodeName) return false;
  if (a.nodeType !== Node.ELEMENT_NODE) return true;
  return a.getAttribute("data-key") === b.getAttribute("data-key");
}

function patchNode(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(name === "style" || name === "open")) old.removeAttribute(name);
  }
  for (const { name, value } of [...fresh.attributes]) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const name of HANDLERS) {
    if (old[name] !== fresh[name]) old[name] = fresh[name];
  }
  if (old.hasAttribute("data-keep")) return;
  patchChildren(old, [...fresh.childNodes]);
}

export function patchChildren(parent, fresh) {
  let at = parent.firstChild;
  for (const node of fresh) {
    if (at && sameKind(at, node)) {
      const next = at.nextSibling;
      patchNode(at, node);
      at = next;
      continue;
    }
    const match = node.nodeType === Node.ELEMENT_NODE && node.getAttribute("data-key") ? find(at, node) : null;
    if (match) {
      parent.insertBefore(match, at);
      patchNode(match, node);
    } else {
      parent.insertBefore(node, at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function find(from, node) {
  for (let one = from; one; one = one.nextSibling) {
    if (sameKind(one, node)) return one;
  }
  return null;
}

export const patch = (parent, ...fresh) =>
  patchChildren(
    parent,
    fresh
      .flat(Infinity)
      .filter((one) => one !== null && one !== undefined && one !== false)
      .map((one) => (one instanceof Node ? one : document.createTextNode(String(one)))),
  );
