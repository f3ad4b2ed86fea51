const { als, cb, hooks, start } = require('./harness');
const { EventEmitter } = require('node:events');
start();
const emitter = als.run('CREATE', () => new EventEmitter());
als.run('LISTEN', () => {
  emitter.on('x', () => cb('plain'));
  emitter.on('x', hooks.AsyncResource.bind(() => cb('bound')));
  emitter.once('x', () => cb('once'));
});
als.run('EMIT', () => emitter.emit('x'));
emitter.emit('x');
