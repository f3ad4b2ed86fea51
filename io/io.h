// Everything of io/. For users; weft includes what it uses.
#pragma once

#include <weft/io/address.h>
#include <weft/io/buffered_reader.h>
#include <weft/io/buffered_writer.h>
#include <weft/io/concepts.h>
#include <weft/io/copy.h>
#include <weft/io/datagram.h>
#include <weft/io/file.h>
#include <weft/io/file_stat.h>
#include <weft/io/fs_event.h>
#include <weft/io/listener.h>
#include <weft/io/pass_handle.h>
#include <weft/io/pipe.h>
#include <weft/io/pipe_options.h>
#include <weft/io/serve.h>
#include <weft/io/signal.h>
#include <weft/io/stdio.h>
#include <weft/io/stream.h>
#include <weft/io/tcp.h>
#include <weft/io/tcp_options.h>
#include <weft/io/tty.h>
#include <weft/io/udp.h>
#include <weft/io/udp_options.h>
#include <weft/runtime/runtime.h>
