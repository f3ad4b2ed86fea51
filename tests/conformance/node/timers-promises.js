const { als, cb, start } = require('./harness');
const timers = require('node:timers/promises');
start();
als.run('A', async () => {
  await timers.setTimeout(1);
  cb('setTimeout');
  await timers.setImmediate();
  cb('setImmediate');
});
