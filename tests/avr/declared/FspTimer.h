#pragma once
#include <stdint.h>
#define GPT_TIMER 0
enum timer_mode_t { TIMER_MODE_PERIODIC };
enum timer_source_div_t { TIMER_SOURCE_DIV_16 = 4 };
struct timer_callback_args_t;
using GPTimerCbk_f = void (*)(timer_callback_args_t *);
class FspTimer {
 public:
  bool begin(timer_mode_t mode, uint8_t type, uint8_t channel, uint32_t period, uint32_t pulse,
             timer_source_div_t sd, GPTimerCbk_f cbk = nullptr, void *ctx = nullptr);
  bool setup_overflow_irq(uint8_t priority = 12);
  bool open();
  bool start();
  bool stop();
  bool close();
  static int8_t get_available_timer(uint8_t &type, bool force = false);
};
