const { als, cb, start } = require('./harness');
const fs = require('node:fs');
start();
als.run('A', () => {
  const stream = fs.createReadStream('/etc/hostname');
  stream.on('open', () => cb('open'));
  als.run('L', () => stream.on('data', () => cb('data')));
  stream.on('end', () => cb('end'));
  stream.on('close', () => cb('close'));
});
