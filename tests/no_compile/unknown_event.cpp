// expect: this emitter has no such event
#include <weft/ctx/event_emitter.h>

struct Data : weft::Event<int> {};
struct Close : weft::Event<> {};

void listen(weft::EventEmitter<Data>& emitter) {
  emitter.on<Close>([] {});
}
