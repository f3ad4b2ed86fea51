const { als, cb, start } = require('./harness');
const { EventEmitter, once } = require('node:events');
start();
const emitter = new EventEmitter();
als.run('WAIT', async () => {
  await once(emitter, 'x');
  cb('after-once');
});
als.run('EMIT', () => setTimeout(() => emitter.emit('x'), 1));
