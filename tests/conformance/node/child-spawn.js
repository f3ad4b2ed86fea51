// Each step of the child follows one of ours, so that there is one order of events.
const { als, cb, start } = require('./harness');
const { spawn } = require('node:child_process');
start();
function listen(child) {
  child.on('spawn', () => cb('spawn'));
  child.stdout.on('data', () => {
    cb('stdout-data');
    child.stdin.destroy();
  });
  child.stdin.on('close', () => cb('stdin-close'));
  child.stdout.on('close', () => {
    cb('stdout-close');
    child.kill();
  });
  child.on('exit', (code, signal) => cb(`exit-${signal}`));
}
als.run('A', () => {
  const steps = 'echo hi; read line; exec >&-; exec sleep 60';
  const child = spawn('sh', ['-c', steps], { stdio: ['pipe', 'pipe', 'ignore'] });
  als.run('L', listen, child);
});
