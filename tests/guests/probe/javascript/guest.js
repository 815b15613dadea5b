// The guest of the world airssys-test:probe/probe, in JavaScript.
//
// QuickJS has no TextEncoder and no TextDecoder: utf8() and text() do their work.
import * as host from "airssys-test:probe/host@0.1.0";
import * as hostTurns from "airssys-test:probe/turns@0.1.0";

let relaying = false;

const utf8 = (text) =>
  Uint8Array.from(unescape(encodeURIComponent(text)), (char) => char.charCodeAt(0));
const text = (data) => decodeURIComponent(escape(String.fromCharCode(...data)));
const reversed = (data) => data.slice().reverse();

function turned({ id, title, body, at, tags }) {
  return {
    id: id + 1,
    title: `${title}!`,
    body: reversed(body),
    at: { x: at.y, y: at.x },
    tags: [...tags, "turned"],
  };
}

function changed({ tag, val }) {
  switch (tag) {
    case "nothing":
      return { tag: "text", val: "nothing" };
    case "text":
      return { tag: "raw", val: utf8(val) };
    case "raw":
      return { tag: "raw", val: reversed(val) };
    case "place":
      return { tag: "places", val: [val, val] };
    case "places": {
      const sum = { x: 0, y: 0 };
      for (const place of val) {
        sum.x += place.x;
        sum.y += place.y;
      }
      return { tag: "place", val: sum };
    }
  }
}

const work = {
  scalars: (...values) => values,
  greet: (name) => `hello, ${name}`,
  idle: () => {},
  reverse: reversed,
  swap: ({ x, y }) => ({ x: y, y: x }),
  turn: turned,
  change: changed,
  next: (colour) => ({ red: "green", green: "blue", blue: "red" })[colour],
  others: ({ read, write, execute }) => ({
    read: !read,
    write: !write,
    execute: !execute,
  }),
  toggle(data) {
    if (data === null) return new Uint8Array();
    return data.length ? reversed(data) : null;
  },
  // Where options nest, the outer one is {tag, val}.
  descend({ tag, val }) {
    if (tag === "none") return { tag: "some", val: null };
    if (val === null) return { tag: "some", val: 0 };
    return val === 0 ? { tag: "none" } : { tag: "some", val: val - 1 };
  },
  divide(a, b) {
    if (b === 0) throw "division by zero";
    return Math.trunc(a / b);
  },
  fetch(key, data) {
    switch (key) {
      case "data":
        return data;
      case "late":
        throw { tag: "timeout" };
      case "broken":
        throw { tag: "broken", val: data };
      default:
        throw { tag: "not-found", val: key };
    }
  },
  accept(data) {
    if (!data.length) throw undefined;
  },
  invert: (outcomes) =>
    outcomes.map(({ tag, val }) =>
      tag === "ok" ? { tag: "err", val: text(val) } : { tag: "ok", val: utf8(val) },
    ),
  backwards: (points) => points.slice().reverse(),
  turnAll: (documents) => documents.map(turned),
  changeAll: (contents) => contents.map(changed),
  join: (words) => words.join(","),
  split: (text) => text.split(","),
  mirror: (chunks) => chunks.map(reversed).reverse(),
  exchange: ([text, data]) => [data, text],
};

// What turns exports: each function does its work, or has the host do it.
export const turns = {};
for (const name of Object.keys(work)) {
  turns[name] = (...args) => (relaying ? hostTurns : work)[name](...args);
}

// The destructor lets go of the object, and calls nothing: what is gone is ended.
const ended = [];
let sessions = [];

function noteEnded() {
  const isThere = ({ object }) => object.deref() !== undefined;
  for (const session of sessions) if (!isThere(session)) ended.push(session.name);
  sessions = sessions.filter(isThere);
  return ended;
}

class Session {
  constructor(name) {
    this._name = name;
    this._data = [];
    sessions.push({ name, object: new WeakRef(this) });
  }
  static open(name) {
    if (!name) throw { tag: "not-found", val: "no name" };
    return new Session(name);
  }
  static merge(first, second) {
    const merged = new Session(first._name);
    merged._data = [...first._data, ...second._data];
    return merged;
  }
  name() {
    return this._name;
  }
  append(data) {
    this._data.push(...data);
    return this._data.length;
  }
  contents() {
    return Uint8Array.from(this._data);
  }
}

const held = [];

function filled(name, keys) {
  const store = new host.Store(name);
  for (const key of keys) store.put(key, utf8(name));
  return store;
}

function using(store, use) {
  try {
    return use(store);
  } finally {
    store[Symbol.dispose]();
  }
}

export const api = {
  Session,
  relay(on) {
    relaying = on;
  },
  size: (session) => session._data.length,
  finish: (session) => session.contents(),
  openAll: (names) => names.map((name) => new Session(name)),
  ended: noteEnded,
  useStore: (name, values) =>
    using(new host.Store(name), (store) => values.map((value) => store.put("k", value))),
  workStore: (name, data) =>
    using(new host.Store(name), (store) => [store.reverse(data), host.size(store)]),
  tryStore: (name) => using(host.Store.open(name), (store) => store.name()),
  holdStore(name) {
    held.push(new host.Store(name));
  },
  adoptStore(store) {
    held.push(store);
  },
  lendStore(store, key, value) {
    store.put(key, value);
    return store.name();
  },
  heldStores: () => held.map((store) => store.name()),
  dropStores() {
    const stores = held.splice(0);
    for (const store of stores) store[Symbol.dispose]();
    return stores.length;
  },
  makeStore: filled,
  giveStore: (name, keys) => host.absorb(filled(name, keys)),
  findStores: (names) =>
    host.findAll(names).map((store) => store && using(store, (it) => it.name())),
  trap() {
    throw new Error("told to trap");
  },
  spin() {
    for (;;);
  },
};
