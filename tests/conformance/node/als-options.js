const { cb, hooks, start } = require('./harness');
start();
const { AsyncLocalStorage, AsyncResource } = hooks;
const { EventEmitterAsyncResource } = require('node:events');

function attempt(label, fn) {
  try {
    cb(`${label} -> ${fn()}`);
  } catch (error) {
    cb(`${label} threw ${error.code ?? error.name}`);
  }
}

const withDefault = () => new AsyncLocalStorage({ defaultValue: 5, name: 'n' });
attempt('default', () => {
  const local = withDefault();
  const seen = () => String(local.getStore());
  return [local.getStore(), local.name, local.run(undefined, seen),
    local.run(1, () => local.exit(seen))].join();
});
attempt('name-none', () => JSON.stringify(new AsyncLocalStorage().name));
attempt('name-number', () => JSON.stringify(new AsyncLocalStorage({ name: 7 }).name));
attempt('opts-null', () => new AsyncLocalStorage(null));
attempt('opts-string', () => new AsyncLocalStorage('x'));
attempt('default-after-enterWith-undefined', () => {
  const local = withDefault();
  local.enterWith(undefined);
  return String(local.getStore());
});
attempt('default-after-disable', () => {
  const local = withDefault();
  local.run(1, () => local.disable());
  return String(local.getStore());
});
attempt('run-nonfunction', () => new AsyncLocalStorage().run(1, 2));
attempt('exit-nonfunction', () => new AsyncLocalStorage().exit(2));
attempt('bind-nonfunction', () => AsyncLocalStorage.bind(2));
attempt('AsyncResource-notype', () => new AsyncResource());
attempt('AsyncResource-empty-type', () => new AsyncResource(''));
attempt('AsyncResource-trigger-neg2', () => new AsyncResource('x', { triggerAsyncId: -2 }));
attempt('AsyncResource-trigger-neg1',
  () => new AsyncResource('x', { triggerAsyncId: -1 }).triggerAsyncId());
attempt('AsyncResource-trigger-str', () => new AsyncResource('x', { triggerAsyncId: 'a' }));
attempt('AsyncResource-trigger-null', () => new AsyncResource('x', { triggerAsyncId: null }));
attempt('AsyncResource-no-new', () => AsyncResource('x'));
attempt('res.bind-nonfunction', () => new AsyncResource('x').bind(1));
attempt('createHook-none', () => hooks.createHook());
attempt('createHook-bad-init', () => hooks.createHook({ init: 1 }));
attempt('createHook-bad-trackPromises', () => hooks.createHook({ trackPromises: 1 }));
attempt('createHook-trackPromises-false+promiseResolve',
  () => hooks.createHook({ trackPromises: false, promiseResolve() {} }));
attempt('createHook-empty-enable', () => typeof hooks.createHook({}).enable().disable());
attempt('EEAR-noname', () => new EventEmitterAsyncResource());
attempt('EEAR-string', () => new EventEmitterAsyncResource('nm').asyncResource.constructor.name);
attempt('EEAR-subclass-name', () => {
  class Foo extends EventEmitterAsyncResource {}
  return new Foo() && 'ok';
});
