const { als, cb, start } = require('./harness');
start();
const alive = setInterval(() => {}, 60_000);
function hear(signal) {
  cb(`heard-${signal}`);
  process.removeListener(signal, hear);
  clearInterval(alive);
}
als.run('A', () => process.on('SIGUSR2', hear));
als.run('B', () => setTimeout(() => {
  cb('sends');
  process.kill(process.pid, 'SIGUSR2');
}, 1));
