const { cb, hooks, start } = require('./harness');
const fs = require('node:fs');
start();
const now = () => hooks.executionAsyncResource();
const main = now();
const own = new hooks.AsyncResource('OWN', { requireManualDestroy: true });
own.runInAsyncScope(() => cb(`own=${now() === own}`));
cb(`main=${main === now()}`);
const timeout = setTimeout(() => {
  cb(`timeout=${now() === timeout}`);
  const immediate = setImmediate(() => {
    cb(`immediate=${now() === immediate}`);
    fs.stat('/', () => cb(`stat=${now().constructor.name === 'FSReqCallback'}`));
  });
}, 1);
