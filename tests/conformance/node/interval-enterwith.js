const { als, cb, start } = require('./harness');
start();
let calls = 0;
function tick() {
  cb(`tick${++calls}`);
  als.enterWith(`E${calls}`);
  if (calls === 2) clearInterval(interval);
}
const interval = als.run('A', () => setInterval(tick, 1));
