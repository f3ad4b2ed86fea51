const { als, cb, start } = require('./harness');
start();
function inside(x, y) {
  cb('in-A');
  als.run('B', () => cb('in-B'));
  cb('back-in-A');
  als.run(undefined, () => cb('undef'));
  als.run('A', () => cb('same-store'));
  return x + y;
}
cb('outside');
cb(`after ret=${als.run('A', inside, 1, 2)}`);
try {
  als.run('T', () => {
    cb('will-throw');
    throw new Error('x');
  });
} catch {
  cb('caught');
}
