// Parts of the firmware that need no board, for ctypes: packets, messages, test signals, queues.
#include <string.h>

#include "framing.h"
#include "messages.h"
#include "ring.h"
#include "scans.h"
#include "signals.h"

static Packet packet;

static void append(const uint8_t *bytes, unsigned n) {
  while (n--) packet.u8(*bytes++);
}

static unsigned finish(uint8_t *wire) {
  packet.finish();
  memcpy(wire, packet.bytes(), packet.size());
  return packet.size();
}

extern "C" {

unsigned host_crc16(const uint8_t *bytes, unsigned n) { return crc16(bytes, n); }

// A packet of any body; its first byte is the type.
unsigned host_pack(const uint8_t *body, unsigned n, uint8_t *wire) {
  packet.begin(body[0]);
  append(body + 1, n - 1);
  return finish(wire);
}

unsigned host_info(const uint32_t *v, const uint8_t *text, unsigned n, uint8_t *wire) {
  write_info(packet, v[1], v[2], v[3], v[4]);
  append(text, n);
  return finish(wire);
}

unsigned host_data(const uint32_t *v, const uint8_t *samples, unsigned n, uint8_t *wire) {
  uint8_t *clip = write_data(packet, v[0], v[1], v[2], v[3]);
  append(samples, n);
  *clip = v[4];
  return finish(wire);
}

unsigned host_event(const uint32_t *v, const uint8_t *, unsigned, uint8_t *wire) {
  write_event(packet, v[0], {v[1], (uint16_t)v[2]}, v[3], v[4]);
  return finish(wire);
}

unsigned host_status(const uint32_t *v, const uint8_t *, unsigned, uint8_t *wire) {
  Status status;
  status.session = v[0];
  status.uptime_ms = v[1];
  status.due = v[2];
  status.lost = v[3];
  status.tx_overruns = v[4];
  status.rx_errors = v[5];
  status.rx_overruns = v[6];
  status.vcc_mv = v[7];
  status.reset_cause = v[8];
  status.flags = v[9];
  write_status(packet, status);
  return finish(wire);
}

unsigned host_ack(const uint32_t *v, const uint8_t *, unsigned, uint8_t *wire) {
  if (v[1] == kStart && v[2] == kOk) {
    write_started(packet, v[0], {v[3], v[4]}, v[5], v[6]);
  } else {
    write_ack(packet, v[0], v[1], v[2]);
  }
  return finish(wire);
}

unsigned host_pong(const uint32_t *v, const uint8_t *, unsigned, uint8_t *wire) {
  write_pong(packet, v[0], v[1], {v[2], (uint16_t)v[3]}, v[4]);
  return finish(wire);
}

unsigned host_log(const uint32_t *, const uint8_t *text, unsigned n, uint8_t *wire) {
  write_log(packet);
  append(text, n);
  return finish(wire);
}

// Feeds bytes; writes each body found, its length in front, and returns how many bytes that are.
unsigned host_read(const uint8_t *bytes, unsigned n, uint8_t *bodies, unsigned *errors) {
  PacketReader reader;
  unsigned size = 0;
  while (n--) {
    uint8_t length = reader.feed(*bytes++);
    if (length == 0) continue;
    bodies[size++] = length;
    memcpy(bodies + size, reader.body(), length);
    size += length;
  }
  *errors = reader.errors;
  return size;
}

// What becomes of a body: 0 ignored, else 1 + the answer; with a sequence and two numbers of it.
unsigned host_command(const uint8_t *body, unsigned n, uint32_t *values) {
  Command command;
  if (!read_command(body, n, &command)) return 0;
  values[0] = command.sequence;
  values[1] = n >= 4 ? command.u16(0) : 0;
  values[2] = n >= 6 ? command.u32(0) : 0;
  return 1 + command.answer;
}

unsigned host_test_signal(unsigned mode, uint32_t scan, unsigned channel, unsigned bits) {
  return test_signal(mode, scan, channel, bits);
}

// A ring of 16: each step is a byte to put (0 to 255) or 256 to get one. Returns how many were got.
unsigned host_ring(const uint16_t *steps, unsigned n, uint8_t *got) {
  ByteRing<16> ring;
  unsigned size = 0;
  for (unsigned i = 0; i < n; i++) {
    if (steps[i] < 256) {
      if (ring.room() > 0) ring.put(steps[i]);
    } else if (!ring.empty()) {
      got[size++] = ring.get();
    }
  }
  return size;
}

// The queue of scans: each step is 1 to sample one (its samples are its number), 0 to skip one that
// is due, or 2 + n to take away a run of at most n. Writes number and length of each run.
unsigned host_scans(unsigned n_channels, const uint8_t *steps, unsigned n, uint32_t *runs,
                    unsigned *full) {
  static ScanQueue queue;
  queue.begin(n_channels);
  unsigned n_runs = 0;
  for (unsigned i = 0; i < n; i++) {
    if (steps[i] >= 2) {
      unsigned length = queue.run(steps[i] - 2);
      runs[2 * n_runs] = queue.number();
      runs[2 * n_runs++ + 1] = length;
      for (unsigned j = 0; j < length; j++) {
        for (unsigned k = 0; k < n_channels; k++) {
          if (queue.samples()[k] != (uint16_t)(runs[2 * n_runs - 2] + j)) return 0;
        }
        queue.drop();
      }
      continue;
    }
    queue.due = queue.due + 1;
    uint16_t *place = steps[i] ? queue.open() : nullptr;
    if (!place) continue;
    for (unsigned k = 0; k < n_channels; k++) place[k] = queue.due - 1;
    queue.close();
  }
  *full = queue.full;
  return n_runs;
}
}
