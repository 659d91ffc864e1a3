/** The connection to emgtwitch: messages in, commands out, and anew whenever it breaks. */

const AGAIN_MS = 1000;
const SILENT_MS = 8000; // a stream that says nothing for so long is dead, even if it seems open

/**
 * Connect, and stay connected until a message says that it is over.
 *
 * `opened()` is told of each new connection, on which all that is kept comes once more;
 * `heard(message)` gets each message; `lost()` is told when the connection breaks.
 */
export function connect({ opened, heard, lost }) {
  let source = null;
  let heard_ms = 0;
  let again = 0;
  let over = false;

  function open() {
    heard_ms = Date.now();
    source = new EventSource("stream");
    source.onopen = opened;
    source.onmessage = (event) => {
      heard_ms = Date.now();
      const message = JSON.parse(event.data);
      if (message.type === "over") {
        over = true;
        source.close();
      }
      heard(message);
    };
    source.onerror = broken;
  }

  function broken() {
    if (over) return;
    source.close();
    lost();
    clearTimeout(again);
    again = setTimeout(open, AGAIN_MS);
  }

  setInterval(() => {
    if (source.readyState !== EventSource.CLOSED && Date.now() - heard_ms > SILENT_MS) broken();
  }, 1000);
  open();
}

/** Send a command; an error tells what went wrong. */
export async function command(name, fields = {}) {
  const answer = await fetch("command", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ command: name, ...fields }),
  });
  if (!answer.ok) throw new Error(`emgtwitch answered ${answer.status}`);
}
