// Everything of runtime/: how work waits and runs. For users; weft includes what it uses.
#pragma once

#include <weft/ctx/ctx.h>
#include <weft/runtime/await.h>
#include <weft/runtime/cancel_scope.h>
#include <weft/runtime/combinators.h>
#include <weft/runtime/error.h>
#include <weft/runtime/fiber.h>
#include <weft/runtime/loop.h>
#include <weft/runtime/mutex.h>
#include <weft/runtime/parking_lot.h>
#include <weft/runtime/promise.h>
#include <weft/runtime/result.h>
#include <weft/runtime/retry.h>
#include <weft/runtime/run.h>
#include <weft/runtime/semaphore.h>
#include <weft/runtime/source_location.h>
#include <weft/runtime/spawn_options.h>
#include <weft/runtime/task.h>
#include <weft/runtime/task_group.h>
#include <weft/runtime/ticks.h>
#include <weft/runtime/timers.h>
#include <weft/runtime/trace_promise.h>
