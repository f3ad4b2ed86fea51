const { cb, start } = require('./harness');
start();
const timer = setTimeout(() => cb('24 days'), 2 ** 31);
setTimeout(() => {
  cb('clear');
  clearTimeout(timer);
}, 50);
