const { als, cb, line, start } = require('./harness');
const channels = require('node:diagnostics_channel');
start();
const tracing = channels.tracingChannel('op');
for (const event of ['start', 'end', 'asyncStart', 'asyncEnd', 'error']) {
  tracing[event].subscribe((message) => {
    const result = message.result === undefined ? '' : ` res=${message.result}`;
    cb(`${event}${message.error ? ' err' : ''}${result}`);
  });
}
tracing.start.bindStore(als, (message) => `S:${message.n}`);
tracing.asyncStart.bindStore(als, (message) => `AS:${message.n}`);
function returns(x) {
  cb('fn');
  return x;
}
function throws() {
  throw new Error('e');
}
function startsTimer(callback) {
  cb('fn');
  setTimeout(callback, 1, null, 'r');
}
async function waits() {
  cb('fn');
  await 0;
  return 7;
}
line('-- traceSync');
tracing.traceSync(returns, { n: 1 }, null, 5);
line('-- traceSync-throw');
try {
  tracing.traceSync(throws, { n: 2 });
} catch {
  cb('caught');
}
line('-- traceCallback');
tracing.traceCallback(startsTimer, -1, { n: 3 }, null, () => cb('user-callback'));
setTimeout(() => {
  line('-- tracePromise');
  als.run('OUT', () => tracing.tracePromise(waits, { n: 4 }).then(() => cb('then')));
}, 20);
