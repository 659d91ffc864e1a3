/* An Arduino Uno in the emulator simavr, stepped by its own clock, for ctypes.
 *
 * simavr is under the GPL 3, so the library made of this file is, too: it is for tests only, built
 * when they run and never handed out.
 *
 * simavr 1.6 does not start conversions by timer 1; that is done here, when the interrupt of its
 * compare B is raised. At that moment the inputs get the voltages of the next scan.
 */
#include <stdlib.h>
#include <string.h>

#include <simavr/avr_adc.h>
#include <simavr/avr_ioport.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>

enum { TIMER1_COMPB = 12, ADCSRA_ADDRESS = 0x7A, ADATE_BIT = 5 };
enum { MCUSR_ADDRESS = 0x54, EXTRF_BIT = 1 };
enum { RING = 1 << 16, MOST_STARTS = 1 << 16 };

typedef struct {
  avr_t *avr;
  uint64_t until;
  avr_irq_t *adc, *uart;
  /* what the board sent and when; what it is to be sent */
  uint8_t sent[RING];
  uint64_t sent_cycle[RING];
  unsigned sent_head, sent_tail;
  uint8_t given[RING];
  unsigned given_head, given_tail;
  int ready;
  /* voltages of the scans, mV: n_scans rows of 8, used again and again */
  const uint16_t *voltages;
  unsigned n_scans, n_triggers;
  /* when conversions started and of which input */
  uint64_t start_cycle[MOST_STARTS];
  uint8_t start_input[MOST_STARTS];
  unsigned n_starts;
} sim_t;

static void on_sent(avr_irq_t *irq, uint32_t byte, void *param) {
  (void)irq;
  sim_t *sim = param;
  sim->sent[sim->sent_head % RING] = byte;
  sim->sent_cycle[sim->sent_head++ % RING] = sim->avr->cycle;
}

static void on_ready(avr_irq_t *irq, uint32_t value, void *param) {
  (void)irq;
  (void)value;
  ((sim_t *)param)->ready = 1;
}

static void on_busy(avr_irq_t *irq, uint32_t value, void *param) {
  (void)irq;
  if (value) ((sim_t *)param)->ready = 0;
}

static void on_start(avr_irq_t *irq, uint32_t value, void *param) {
  (void)irq;
  sim_t *sim = param;
  union {
    uint32_t value;
    avr_adc_mux_t mux;
  } told = {.value = value};
  if (sim->n_starts < MOST_STARTS) {
    sim->start_cycle[sim->n_starts] = sim->avr->cycle;
    sim->start_input[sim->n_starts++] = told.mux.src;
  }
}

static void on_compare(avr_irq_t *irq, uint32_t pending, void *param) {
  (void)irq;
  sim_t *sim = param;
  int auto_trigger = sim->avr->data[ADCSRA_ADDRESS] & 1 << ADATE_BIT;
  if (!pending || !auto_trigger) return;
  if (sim->n_scans) {
    const uint16_t *row = sim->voltages + 8 * (sim->n_triggers++ % sim->n_scans);
    for (int k = 0; k < 8; k++) avr_raise_irq(sim->adc + ADC_IRQ_ADC0 + k, row[k]);
  }
  avr_raise_irq(sim->adc + ADC_IRQ_IN_TRIGGER, 1);
}

static void on_sleep(avr_t *avr, avr_cycle_count_t cycles) {
  (void)avr;
  (void)cycles;
}

static avr_irq_t *uart_irq(sim_t *sim, int which) {
  return avr_io_getirq(sim->avr, AVR_IOCTL_UART_GETIRQ('0'), which);
}

sim_t *sim_new(const char *elf) {
  sim_t *sim = calloc(1, sizeof *sim);
  elf_firmware_t firmware;
  memset(&firmware, 0, sizeof firmware);
  if (elf_read_firmware(elf, &firmware)) return NULL;
  avr_t *avr = sim->avr = avr_make_mcu_by_name("atmega328p");
  strcpy(firmware.mmcu, "atmega328p");
  firmware.frequency = 16000000;
  avr_init(avr);
  avr_load_firmware(avr, &firmware);
  avr->vcc = avr->avcc = avr->aref = 5000;
  avr->sleep = on_sleep;
  avr->log = LOG_ERROR;
  avr->run_cycle_limit = 160;
  uint32_t flags = 0;
  avr_ioctl(avr, AVR_IOCTL_UART_GET_FLAGS('0'), &flags);
  flags &= ~(AVR_UART_FLAG_STDIO | AVR_UART_FLAG_POLL_SLEEP);
  avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
  sim->adc = avr_io_getirq(avr, AVR_IOCTL_ADC_GETIRQ, 0);
  sim->uart = uart_irq(sim, UART_IRQ_INPUT);
  sim->ready = 1;
  avr_irq_register_notify(uart_irq(sim, UART_IRQ_OUTPUT), on_sent, sim);
  avr_irq_register_notify(uart_irq(sim, UART_IRQ_OUT_XON), on_ready, sim);
  avr_irq_register_notify(uart_irq(sim, UART_IRQ_OUT_XOFF), on_busy, sim);
  avr_irq_register_notify(sim->adc + ADC_IRQ_OUT_TRIGGER, on_start, sim);
  avr_irq_register_notify(avr_get_interrupt_irq(avr, TIMER1_COMPB) + AVR_INT_IRQ_PENDING,
                          on_compare, sim);
  return sim;
}

void sim_free(sim_t *sim) {
  avr_terminate(sim->avr);
  free(sim->avr);
  free(sim);
}

/* The next scan gets the first row; the rows must live as long as they are in use. */
void sim_voltages(sim_t *sim, const uint16_t *voltages, unsigned n_scans) {
  sim->voltages = voltages;
  sim->n_scans = n_scans;
  sim->n_triggers = 0;
}

/* Run for so many clocks. The target is kept, so that nothing adds up. Returns the state. */
int sim_run(sim_t *sim, uint64_t cycles) {
  int state = cpu_Running;
  sim->until += cycles;
  while (sim->avr->cycle < sim->until && (state == cpu_Running || state == cpu_Sleeping)) {
    while (sim->ready && sim->given_tail != sim->given_head)
      avr_raise_irq(sim->uart, sim->given[sim->given_tail++ % RING]);
    state = avr_run(sim->avr);
  }
  return state;
}

unsigned sim_read(sim_t *sim, uint8_t *bytes, uint64_t *cycles, unsigned most) {
  unsigned n = 0;
  for (; n < most && sim->sent_tail != sim->sent_head; n++, sim->sent_tail++) {
    bytes[n] = sim->sent[sim->sent_tail % RING];
    cycles[n] = sim->sent_cycle[sim->sent_tail % RING];
  }
  return n;
}

void sim_write(sim_t *sim, const uint8_t *bytes, unsigned n) {
  while (n--) sim->given[sim->given_head++ % RING] = *bytes++;
}

/* Conversions started since the last call. */
unsigned sim_starts(sim_t *sim, uint64_t *cycles, uint8_t *inputs) {
  unsigned n = sim->n_starts;
  memcpy(cycles, sim->start_cycle, n * sizeof *cycles);
  memcpy(inputs, sim->start_input, n);
  sim->n_starts = 0;
  return n;
}

void sim_pin(sim_t *sim, char port, int pin, int level) {
  avr_raise_irq(avr_io_getirq(sim->avr, AVR_IOCTL_IOPORT_GETIRQ(port), pin), level);
}

uint64_t sim_cycle(sim_t *sim) { return sim->avr->cycle; }

/* All of its data space: registers, ports, RAM. */
uint8_t *sim_memory(sim_t *sim) { return sim->avr->data; }

/* All of its program space. */
uint8_t *sim_flash(sim_t *sim) { return sim->avr->flash; }

/* Where the program begins after a reset: 0, or where a bootloader lies. */
void sim_begin_at(sim_t *sim, unsigned address) {
  sim->avr->reset_pc = address;
  sim->avr->codeend = sim->avr->flashend;
}

/* By the reset pin, as opening the port of an Uno does. */
void sim_reset(sim_t *sim) {
  avr_reset(sim->avr);
  sim->avr->data[MCUSR_ADDRESS] = 1 << EXTRF_BIT;
}
