const { als, cb, start } = require('./harness');
start();
let settle;
const promise = als.run('CREATE', () => new Promise((resolve) => { settle = resolve; }));
als.run('REGISTER', () => { promise.then(() => cb('then')); });
als.run('RESOLVE', () => setTimeout(() => {
  cb('resolver');
  settle();
}, 1));
