const { als, cb, start } = require('./harness');
start();
const timerThatSays = (label, delay) => setTimeout(() => cb(label), delay);
als.run('A', () => {
  timerThatSays('timer-created-before-disable', 5);
  als.run('B', () => timerThatSays('timer-created-before-disable-B', 15));
  als.disable();
  cb('after-disable');
  timerThatSays('timer-created-while-disabled', 25);
  als.run('C', () => {
    cb('re-enabled-by-run');
    timerThatSays('timer-created-in-C', 35);
  });
  cb('end-of-A');
});
