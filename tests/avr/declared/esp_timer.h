#pragma once
#include <stdint.h>
typedef struct esp_timer *esp_timer_handle_t;
typedef void (*esp_timer_cb_t)(void *arg);
typedef struct {
  esp_timer_cb_t callback;
  void *arg;
  int dispatch_method;
  const char *name;
  bool skip_unhandled_events;
} esp_timer_create_args_t;
int esp_timer_create(const esp_timer_create_args_t *create_args, esp_timer_handle_t *out_handle);
int esp_timer_start_periodic(esp_timer_handle_t timer, uint64_t period);
int esp_timer_stop(esp_timer_handle_t timer);
