const { als, cb, start } = require('./harness');
const { EventEmitterAsyncResource } = require('node:events');
start();
const emitter = als.run('CREATE', () => new EventEmitterAsyncResource({ name: 'MyEE' }));
als.run('LISTEN', () => emitter.on('x', () => cb('listener')));
als.run('EMIT', () => {
  emitter.emit('x');
  emitter.emit('nolisteners');
});
emitter.emitDestroy();
