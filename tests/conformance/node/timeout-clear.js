const { als, cb, start } = require('./harness');
start();
const timer = als.run('A', () => setTimeout(() => cb('never'), 10));
cb('before-clear');
clearTimeout(timer);
cb('after-clear');
setTimeout(() => cb('later'), 5);
