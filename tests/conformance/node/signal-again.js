// Each signal follows what the one before has done, so that there is one order of events.
const { als, cb, start } = require('./harness');
const { spawn } = require('node:child_process');
start();
let times = 0;
let alive;
function send() {
  alive = setInterval(() => {}, 60_000);
  process.kill(process.pid, 'SIGUSR2');
}
function hear() {
  times += 1;
  cb(`heard-${times}`);
  clearInterval(alive);
  if (times === 1) return spawn('true', [], { stdio: 'ignore' }).on('exit', send);
  process.removeListener('SIGUSR2', hear);
  als.run('B', () => process.on('SIGUSR2', hearAgain));
  send();
}
function hearAgain() {
  cb('heard-again');
  clearInterval(alive);
  process.removeListener('SIGUSR2', hearAgain);
}
als.run('A', () => process.on('SIGUSR2', hear));
send();
