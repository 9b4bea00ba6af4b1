// Calls of the admin API, with the token of this tab.

const kept = "tollgate-token";
let token = sessionStorage.getItem(kept) ?? "";

export function setToken(text) {
  token = text;
  if (text) sessionStorage.setItem(kept, text);
  else sessionStorage.removeItem(kept);
}

// Refused is an answer that is no success.
export class Refused extends Error {
  constructor(status, message, problems) {
    super(message);
    this.status = status;
    this.problems = problems ?? [];
  }
}

async function send(method, path, { body, type, signal } = {}) {
  const headers = { Accept: "application/json" };
  if (token) headers.Authorization = "Bearer " + token;
  if (body !== undefined) headers["Content-Type"] = type ?? "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body, signal, cache: "no-store", credentials: "omit" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "The node does not answer.");
  }
  return answer;
}

// call gives the answer as an object, and throws a Refused.
export async function call(method, path, options) {
  const answer = await send(method, path, options);
  const text = await answer.text();
  let value = null;
  try {
    value = JSON.parse(text);
  } catch {
    if (answer.ok) return text;
  }
  if (answer.ok) return value;
  const said = value?.header?.resultMessage ?? text ?? answer.statusText;
  throw new Refused(answer.status, String(said).replace(/^\d{5} /, ""), value?.errors);
}

export const get = (path, options) => call("GET", path, options);
export const post = (path, value, options) => call("POST", path, { body: JSON.stringify(value ?? {}), ...options });

export const domain = (key) => "/v1/domains/" + encodeURIComponent(key);

// listen reads server-sent events until signal ends it. EventSource can send no token.
export async function listen(heard, signal) {
  while (!signal.aborted) {
    try {
      const answer = await send("GET", "/v1/events", { signal });
      if (!answer.ok) return;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        text += value;
        const events = text.split("\n\n");
        text = events.pop();
        for (const event of events) {
          const data = event.split("\n").find((line) => line.startsWith("data: "));
          if (data) heard(JSON.parse(data.slice(6)));
        }
      }
    } catch (error) {
      if (error.name === "AbortError") return;
    }
    await new Promise((done) => setTimeout(done, 2000));
  }
}
