const { als, cb, start } = require('./harness');
start();
als.run('A', () => {
  setTimeout(() => cb('set-before'), 1);
  als.disable();
  setTimeout(() => cb('set-behind'), 20);
});
