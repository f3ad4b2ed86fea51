const { als, cb, start } = require('./harness');
start();
function executor(resolve) {
  cb('executor');
  resolve(1);
}
function fail() {
  cb('then2');
  throw new Error('x');
}
als.run('A', () => {
  new Promise(executor)
    .then(() => cb('then1'))
    .then(fail)
    .catch(() => cb('catch'))
    .finally(() => cb('finally'));
});
