const { als, cb, start } = require('./harness');
start();
function timer() {
  cb('timer-created-in-E1');
  als.enterWith('E2');
  cb('E2-set');
  setTimeout(() => cb('child-of-E2'), 1);
}
cb('before');
als.enterWith('E1');
cb('after-enterWith');
setTimeout(timer, 1);
setTimeout(() => cb('timer2-created-in-E1'), 30);
als.run('R', () => {
  als.enterWith('IN-RUN');
  cb('enterWith-in-run');
});
cb('after-run');
