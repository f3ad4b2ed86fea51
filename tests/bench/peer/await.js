// The cost of Node's await with a store set: await.js MILLISECONDS prints nanoseconds.
'use strict';
const { AsyncLocalStorage } = require('node:async_hooks');

const storage = new AsyncLocalStorage();
const settled = Promise.resolve(1);

async function awaits(count) {
  for (let i = 0; i < count; i++) await settled;
}

async function cost(count) {
  const start = process.hrtime.bigint();
  await awaits(count);
  return Number(process.hrtime.bigint() - start) / count;
}

async function main() {
  await awaits(200000);  // compiled by then
  const count = Math.ceil(Number(process.argv[2]) * 1e6 / await cost(100000));
  console.log(await cost(count));
}

storage.run({}, main);
