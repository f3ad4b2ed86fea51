// Everything of ctx/: what a piece of work inherits. For users; weft includes what it uses.
#pragma once

#include <weft/ctx/async_id.h>
#include <weft/ctx/async_local.h>
#include <weft/ctx/async_resource.h>
#include <weft/ctx/diagnostics_channel.h>
#include <weft/ctx/error.h>
#include <weft/ctx/event_emitter.h>
#include <weft/ctx/hooks.h>
#include <weft/ctx/resource_type.h>
#include <weft/ctx/snapshot.h>
#include <weft/ctx/tracing_channel.h>
#include <weft/ctx/unique_function.h>
