'use strict';
// What every scenario records, one line for each event; ../README.md explains the lines.
const hooks = require('node:async_hooks');
const { writeSync } = require('node:fs');
// Made now, what Node makes at its first use does not show in a scenario.
require('node:net');
require('node:dns').getServers();
void process.stdout;
void process.stderr;

const als = new hooks.AsyncLocalStorage();
const lines = [];
const names = new Map([[0, '0'], [1, '1'], [-1, '-1']]);
const hidden = new Set();
let quiet = 0;

// Ids are named 2, 3, ... in order of first appearance; ?7: its init was not seen.
function name(id, prefix = '?') {
  if (!names.has(id)) names.set(id, `${prefix}${names.size - 1}`);
  return names.get(id);
}

function onInit(id, type, trigger) {
  const exec = hooks.executionAsyncId();
  const ofHidden = hidden.has(trigger) && (exec === 0 || hidden.has(exec));
  if (quiet > 0 || ofHidden) {
    hidden.add(id);
    return;
  }
  const from = `${name(trigger)} ${name(exec)}`;
  lines.push(`init ${type} ${name(id, '')} ${from}`);
}

const note = (what) => (id) => {
  if (!hidden.has(id)) lines.push(`${what} ${name(id)}`);
};

const hook = hooks.createHook({
  init: onInit,
  before: note('before'),
  after: note('after'),
  destroy: note('destroy'),
  promiseResolve: note('resolve'),
});

// User code has come to this point.
function cb(label) {
  const store = als.getStore();
  const shown = typeof store === 'object' ? JSON.stringify(store) : String(store);
  const exec = name(hooks.executionAsyncId());
  lines.push(`cb ${label} store=${shown} exec=${exec} trigger=${name(hooks.triggerAsyncId())}`);
}

// Calls fn; what it makes leaves no line.
function hide(fn) {
  quiet += 1;
  try {
    return fn();
  } finally {
    quiet -= 1;
  }
}

const whenEmpty = [];
let rounds = 0;
process.on('beforeExit', () => {
  if (rounds === 0) {
    lines.push('-- loop empty');
    for (const fn of whenEmpty) fn();
  }
  if (++rounds > 3) return;  // turns in which the garbage's destroys are told
  hide(() => {
    global.gc();
    setImmediate(() => {});
  });
});
process.on('exit', () => {
  hook.disable();
  writeSync(1, lines.join('\n') + '\n');
});

module.exports = {
  hooks, als, cb, hide,
  line: (text) => lines.push(text),
  onEmpty: (fn) => whenEmpty.push(fn),
  start: () => hook.enable(),
};
