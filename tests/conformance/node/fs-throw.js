const { als, cb, start } = require('./harness');
const fs = require('node:fs');
start();
process.on('uncaughtException', (error) => cb(`uncaught-${error.message}`));
als.run('A', () => fs.stat('/', () => {
  cb('stat');
  als.run('INNER', () => {
    process.nextTick(() => cb('tick-created-before-throw'));
    throw new Error('x');
  });
}));
