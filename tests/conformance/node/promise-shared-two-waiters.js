const { als, cb, start } = require('./harness');
start();
let settle;
const promise = als.run('OWNER', () => new Promise((resolve) => { settle = resolve; }));
async function wait(label) {
  await promise;
  cb(label);
}
als.run('W1', wait, 'w1');
als.run('W2', wait, 'w2');
als.run('RES', () => settle());
