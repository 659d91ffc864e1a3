#include "device.h"

#include "board.h"
#include "config.h"
#include "framing.h"
#include "info.h"
#include "messages.h"
#include "scans.h"
#include "signals.h"

namespace {

// A USB chip of the Uno holds 128 bytes and passes on what it has when 96 are there.
constexpr uint8_t kLongestPacket = 96;
constexpr uint8_t kPacketExtra = 4;  // COBS, CRC, 00
constexpr uint8_t kDebounceMs = 30;
constexpr uint8_t kGiveUpMs = 100;
constexpr uint32_t kLongestSilenceS = 86400;
constexpr uint16_t kPressed = 1;  // code of the EVENT of the button

Packet packet;
PacketReader reader;

struct {
  bool running;
  bool text;
  uint8_t session;
  uint8_t n_channels;
  uint8_t per_frame;
  uint32_t next;  // number of the first scan neither sent nor known to be lost
  uint32_t sent;
  uint16_t full_told;
  uint16_t late_told;
} stream;

Info info;
uint8_t info_part = 0;  // to be sent next, up to info_n
uint8_t info_n = 0;
uint8_t test_mode = kNoTest;
bool text_wanted = kPlotter;
uint32_t silence_s = 0;  // 0: stream for ever
uint32_t heard_ms = 0;
uint32_t tick_ms = 0;
uint32_t loop_ms = 0;
uint32_t lost_told = 0;
bool losing = false;

// Waits for room; false if nobody takes the bytes.
bool send() {
  packet.finish();
  uint32_t begun_ms = millis();
  while (board::link_room() <= packet.size()) {
    if (millis() - begun_ms > kGiveUpMs) return false;
    board::idle();
  }
  const uint8_t end = 0;
  if (stream.text) board::link_write(&end, 1);  // lines of text do not end as packets do
  board::link_write(packet.bytes(), packet.size());
  return true;
}

uint8_t most_scans(uint8_t n_channels) {
  return (kLongestPacket - kPacketExtra - kDataHead) / (2 * n_channels);
}

// Scans per frame if the computer leaves it to us: 10 ms, if that many fit.
uint8_t usual_scans(uint16_t hz, uint8_t n_channels) {
  uint16_t n = hz / 100 > 0 ? hz / 100 : 1;
  return n < most_scans(n_channels) ? n : most_scans(n_channels);
}

void send_data(uint8_t n) {
  board::Counters counters = board::counters();
  uint8_t flags = 0;
  if (counters.late != stream.late_told) flags |= kOverrun;
  if (counters.full != stream.full_told) flags |= kRingFull;
  if (test_mode) flags |= kTestSignal;
  stream.late_told = counters.late;
  stream.full_told = counters.full;

  const uint16_t top = ((uint32_t)1 << board::kBits) - 1;
  uint8_t clipped = 0;
  uint8_t *clip = write_data(packet, stream.session, stream.next, n, flags);
  for (uint8_t i = 0; i < n; i++) {
    const uint16_t *samples = scans.samples();
    for (uint8_t k = 0; k < stream.n_channels; k++) {
      uint16_t sample =
          test_mode ? test_signal(test_mode, stream.next + i, k, board::kBits) : samples[k];
      if (sample == 0 || sample == top) clipped |= 1 << k;
      packet.u16(sample);
    }
    scans.drop();
  }
  *clip = clipped;
  if (send()) stream.sent += n;
  stream.next += n;
}

// Sends the scans that fill frames; with `rest`, all of them.
void send_frames(bool rest) {
  while (uint8_t n_waiting = scans.waiting()) {
    uint8_t n = scans.run(stream.per_frame);
    bool gap_follows = n < n_waiting;
    if (n < stream.per_frame && !gap_follows && !rest) return;
    uint16_t size = kDataHead + kPacketExtra + 2 * n * stream.n_channels;
    if (!rest && board::link_room() <= size) return;
    stream.next += (uint16_t)(scans.number() - (uint16_t)stream.next);  // over those that are lost
    send_data(n);
  }
}

void send_lines() {
  while (scans.waiting() > 0 && board::link_room() > (uint16_t)(6 * stream.n_channels)) {
    char line[6 * 8 + 1];
    uint8_t size = 0;
    for (uint8_t k = 0; k < stream.n_channels; k++) {
      char digits[6];
      utoa(scans.samples()[k], digits, 10);
      if (k > 0) line[size++] = ',';
      for (char *digit = digits; *digit; digit++) line[size++] = *digit;
    }
    line[size++] = '\r';
    line[size++] = '\n';
    board::link_write((const uint8_t *)line, size);
    scans.drop();
  }
}

void send_status() {
  board::Counters counters = board::counters();
  Status status;
  status.session = stream.session;
  status.uptime_ms = millis();
  status.due = counters.due;
  // While sampling goes on, the scans not yet sent may still be.
  uint32_t account_ends = stream.running ? stream.next : counters.due;
  status.lost = account_ends - stream.sent;
  status.tx_overruns = counters.full;
  status.rx_errors = reader.errors;
  status.rx_overruns = board::rx_overruns();
  status.vcc_mv = info.vcc_mv;
  status.reset_cause = board::reset_cause();
  status.flags = stream.running ? kStreaming : 0;
  write_status(packet, status);
  send();
  losing = status.lost != lost_told;
  lost_told = status.lost;
}

void send_event(uint8_t source, uint16_t code) {
  if (!stream.running || stream.text) return;
  write_event(packet, stream.session, board::now(), source, code);
  send();
}

void send_log(const __FlashStringHelper *text) {
  write_log(packet);
  const char *place = reinterpret_cast<const char *>(text);
  while (char letter = pgm_read_byte(place++)) packet.u8(letter);
  send();
}

void send_info_part() {
  write_info(packet, stream.running ? kStreaming : 0, board::boot_id(), info_part, info_n);
  info_text(packet, info_part, info);
  send();
  info_part++;
}

// All parts, one in each run of device_run() so that scans are not kept waiting.
void begin_info() {
  info_part = 0;
  info_n = info_parts(info);
}

void stop_stream() {
  if (!stream.running) return;
  board::sampling_stop();
  if (!stream.text) send_frames(true);
  stream.running = false;
  if (!stream.text) send_status();
}

bool start_stream(uint8_t session, uint16_t hz, uint8_t mask, uint8_t n, Rate *exact) {
  uint8_t n_channels = 0;
  for (uint8_t k = 0; k < 8; k++) n_channels += mask >> k & 1;
  if (n_channels == 0 || mask >> board::kMostChannels || n > most_scans(n_channels)) return false;
  stop_stream();
  if (!board::sampling_rate(hz, n_channels, exact)) return false;
  info.vcc_mv = board::vcc_mv();
  stream.session = session;
  stream.n_channels = n_channels;
  stream.per_frame = n > 0 ? n : usual_scans(hz, n_channels);
  stream.text = text_wanted;
  stream.next = stream.sent = 0;
  stream.full_told = stream.late_told = 0;
  lost_told = 0;
  scans.begin(n_channels);
  stream.running = true;
  return true;
}

Answer set(uint8_t key, uint32_t value) {
  if (key == kSilenceKey && value <= kLongestSilenceS) {
    silence_s = value;
  } else if (key == kTextKey && value <= 1) {
    text_wanted = value;
  } else {
    return kBadArgument;
  }
  return kOk;
}

void acknowledge(const Command &command, uint8_t answer) {
  write_ack(packet, command.sequence, command.type, answer);
  send();
}

void start(const Command &command) {
  Rate exact;
  const uint8_t *arguments = command.arguments;
  uint8_t mask = arguments[3];
  if (!start_stream(arguments[0], command.u16(1), mask, arguments[4], &exact)) {
    acknowledge(command, kBadArgument);
    return;
  }
  write_started(packet, command.sequence, exact, stream.n_channels, stream.per_frame);
  send();
  board::sampling_start(mask);
}

void obey(const Command &command) {
  if (command.answer != kOk) {
    acknowledge(command, command.answer);
    return;
  }
  switch (command.type) {
    case kIdent:
      acknowledge(command, kOk);
      begin_info();
      break;
    case kStart:
      start(command);
      break;
    case kStop:
      stop_stream();
      acknowledge(command, kOk);
      break;
    case kPing: {
      Moment moment = stream.running ? board::now() : Moment{0, 0};
      write_pong(packet, command.u32(0), stream.session, moment, micros());
      send();
      break;
    }
    case kMark:
      send_event(kFromHost, command.u16(0));
      acknowledge(command, kOk);
      break;
    case kSet:
      acknowledge(command, set(command.arguments[0], command.u32(1)));
      break;
    case kTest:
      if (command.arguments[0] >= kTestModes) {
        acknowledge(command, kBadArgument);
      } else {
        test_mode = command.arguments[0];
        acknowledge(command, kOk);
      }
      break;
    case kReset:
      stop_stream();
      acknowledge(command, kOk);
      delay(20);  // the answer leaves
      board::reset();
      break;
  }
}

void listen() {
  for (int16_t byte = board::link_read(); byte >= 0; byte = board::link_read()) {
    uint8_t length = reader.feed(byte);
    Command command;
    if (length == 0 || !read_command(reader.body(), length, &command)) continue;
    heard_ms = millis();
    obey(command);
    return;  // scans first
  }
}

void watch_button() {
  static bool was_down = false;
  static uint32_t changed_ms = 0;
  bool down = board::button_down();
  if (down == was_down || millis() - changed_ms < kDebounceMs) return;
  was_down = down;
  changed_ms = millis();
  if (down) send_event(kFromButton, kPressed);
}

// Once a second.
void tick() {
  if (stream.running && silence_s > 0 && millis() - heard_ms >= silence_s * 1000) {
    stop_stream();
    send_log(F("stopped: nothing heard from the computer"));
  }
  if (!stream.running || !stream.text) send_status();
}

// Steady: streaming. Flickering: streaming, and scans were lost in the last second. A short flash
// every second: waiting for the computer.
void show() {
  uint16_t now_ms = millis();
  board::led(stream.running ? !losing || (now_ms & 64) : (now_ms & 1023) < 64);
}

}  // namespace

void device_begin() {
  board::begin();
  board::sampling_rate(kRateHz, kChannels, &info.rate);
  info.scans_per_frame = usual_scans(kRateHz, kChannels);
  info.vcc_mv = board::vcc_mv();
  Rate exact;
  const uint8_t mask = (1 << kChannels) - 1;
  if (!kPlotter) {
    const uint8_t end = 0;  // of a packet that a restart cut off
    board::link_write(&end, 1);
    begin_info();
  } else if (start_stream(0, kPlotterRateHz, mask, 0, &exact)) {
    board::sampling_start(mask);
  }
}

void device_run() {
  listen();
  if (stream.running) {
    if (stream.text) {
      send_lines();
    } else {
      send_frames(false);
    }
  }
  if (info_part < info_n) send_info_part();
  watch_button();
  uint32_t now_ms = millis();
  if (now_ms != loop_ms) {
    loop_ms = now_ms;
    show();
  }
  if (now_ms - tick_ms >= 1000) {
    tick_ms += 1000;
    tick();
  }
  board::idle();
}
