// expect: this emitter has no such event
#include <weft/ctx/event_emitter.h>

struct Data : weft::EventType<int> {};
struct Close : weft::EventType<> {};

void listen(weft::EventEmitter<Data>& emitter) {
  emitter.on<Close>([] {});
}
