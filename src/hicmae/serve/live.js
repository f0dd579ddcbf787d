// Camera and microphone go to the server as the browser records them; what it answers is drawn as a
// curve that moves on.
(() => {
  const PIECE = 100; // milliseconds
  const MOST_LATE = 8; // seconds, of what the server has read behind what is recorded
  const MOST_VAIN = 3; // recordings one after the other that came too late
  const SHOWN = 60; // seconds of the curve
  const KINDS = ["video/webm;codecs=vp8,opus", "video/webm;codecs=vp8", "audio/webm;codecs=opus"];
  const SENTENCES = {
    NotAllowedError: "The browser was not allowed to record: allow camera and microphone for this page beside its address, then start again.",
    NotFoundError: "There is no camera or microphone: plug one in, then start again.",
    NotReadableError: "The camera or microphone cannot be read: end what else uses it, then start again.",
    TypeError: "The server does not answer any more: start it, then load this page again.",
    TimeoutError: "The server does not answer: see where it was started, then start again.",
  };
  let watching = null;

  const part = (selector) => document.querySelector(`#live ${selector}`);
  const seconds = () => performance.now() / 1000;
  const post = async (place, body) =>
    (await fetch(place, { method: "POST", body, signal: AbortSignal.timeout(30000) })).json();

  async function devices({ sees, hears }) {
    if (!navigator.mediaDevices)
      throw Error("Browsers give camera and microphone only to pages of this computer (127.0.0.1) or over https.");
    const video = sees === "1" && { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 25, max: 30 } };
    // What is meant for calls would take away how something is said.
    const audio = hears === "1" && { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    try {
      return await navigator.mediaDevices.getUserMedia({ video, audio });
    } catch (error) {
      // Whether one of two senses is enough is for the model to say.
      if (error.name !== "NotFoundError" || !video || !audio) throw error;
      const one = (wanted) => navigator.mediaDevices.getUserMedia(wanted);
      return one({ video }).catch(() => one({ audio }));
    }
  }

  function recorderOf(stream) {
    const [seen, heard] = [stream.getVideoTracks().length, stream.getAudioTracks().length];
    const kind = KINDS[seen && heard ? 0 : seen ? 1 : 2];
    return new MediaRecorder(stream, MediaRecorder.isTypeSupported(kind) ? { mimeType: kind } : {});
  }

  async function start() {
    const now = (watching = { points: [], missed: 0, vain: 0 });
    show("start");
    try {
      now.stream = await devices(document.querySelector("#live").dataset);
      if (now !== watching) return;
      for (const track of now.stream.getTracks())
        track.onended = () => stop(now, "The camera or microphone was taken away: plug it in, then start again.");
      part("video").srcObject = now.stream;
      part("video").play().catch(() => {}); // a tab in the background need not show it
      now.timer = setInterval(() => draw(now), 200);
      while (now === watching) await record(now);
    } catch (error) {
      stop(now, SENTENCES[error.name] ?? error.message);
    } finally {
      release(now); // also of one that was stopped while the browser still asked
    }
  }

  // One recording, to its end or until what is recorded comes too late.
  async function record(now) {
    const { name, error } = await post("live");
    if (error) throw Error(error);
    now.name = name;
    const recorder = recorderOf(now.stream);
    const pieces = [];
    recorder.onerror = () => stop(now, "The browser cannot record any more: start again.");
    recorder.ondataavailable = (event) => {
      pieces.push(event.data);
      now.wake?.();
    };
    now.began = seconds();
    recorder.start(PIECE);
    try {
      while (now === watching) {
        if (!pieces.length) await new Promise((wake) => (now.wake = wake));
        else if (take(now, await post(`live/${name}`, new Blob(pieces.splice(0)))) > MOST_LATE) return late(now);
      }
    } finally {
      if (recorder.state !== "inactive") recorder.stop();
      forget(now);
    }
  }

  function late(now) {
    now.vain += 1;
    if (now.vain > MOST_VAIN)
      return stop(now, "Nothing that is recorded can be read in time: see that camera and microphone work, and close other programs.");
    now.points.push({ time: seconds() });
    say("This computer was too busy: some seconds were left out.");
  }

  // Returns by how many seconds what the server has read is behind what is recorded.
  function take(now, answer) {
    if (now !== watching) return 0;
    if (answer.error) stop(now, answer.error);
    if (answer.note) say(answer.note);
    if (answer.end) now.vain = 0;
    if (answer.note && answer.end) now.points.push({ time: now.began + answer.end });
    if (answer.scores) {
      now.missed += answer.missed;
      now.points.push({ time: now.began + (answer.start + answer.end) / 2, scores: answer.scores });
      const behind = seconds() - now.began - answer.end;
      Object.assign(document.querySelector("#live").dataset, { behind, end: now.began + answer.end, missed: now.missed });
      const left = now.missed ? ` · ${now.missed} window${now.missed > 1 ? "s" : ""} left out so far` : "";
      const used = answer.used ? ` · ${answer.used}` : "";
      say(`${behind.toFixed(1)} s behind · a window of ${(answer.end - answer.start).toFixed(1)} s${used}${left}`);
      headline(answer);
      draw(now);
    }
    return seconds() - now.began - (answer.reached ?? Infinity);
  }

  function say(text) {
    part(".hm-hint").hidden = true;
    part(".hm-course-now").hidden = false;
    part("[role=status]").textContent = text;
  }

  const isClasses = () => document.querySelector("#live").dataset.kind === "classification";
  const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);
  const bars = () => [...document.querySelectorAll("#live .hm-bar")];

  function headline({ scores, named, doubts }) {
    const extent = Math.max(1, ...scores.map(Math.abs));
    const found = bars().map((row, place) => {
      const [score, bar] = [scores[place], row.querySelector("b")];
      const width = isClasses() ? score : Math.abs(score) / extent / 2;
      bar.style.left = `${100 * (isClasses() ? 0 : score < 0 ? 0.5 - width : 0.5)}%`;
      bar.style.width = `${100 * width}%`;
      const text = isClasses() ? `${Math.round(100 * score)}%` : signed(score);
      row.querySelector("em").textContent = text;
      return { text, name: row.querySelector("span").textContent, colour: bar.style.background };
    });
    const element = (kind, text) => Object.assign(document.createElement("span"), { className: kind, textContent: text });
    const title = part(".hm-headline div");
    if (isClasses()) {
      const one = found.find(({ name }) => name === named); // else none of several labels, or more
      const dot = element("hm-dot", "");
      dot.style.background = one?.colour ?? "transparent";
      title.replaceChildren(dot, element("hm-emotion", named), element("hm-share", one?.text ?? ""));
    } else {
      title.replaceChildren(...found.map(({ name, text }) => element("hm-value", `${name} ${text}`)));
    }
    title.append(...doubts.map((doubt) => element("hm-doubt", doubt)));
  }

  function draw(now) {
    const moment = seconds();
    now.points = now.points.filter(({ time }) => time > moment - SHOWN - 5);
    const heights = now.points.flatMap(({ scores }) => scores ?? []);
    const extent = Math.max(1, ...heights.map(Math.abs));
    const least = isClasses() ? 0 : -extent;
    const labels = isClasses() ? ["100 %", "0 %"] : [signed(extent), signed(-extent)];
    part(".hm-moving").querySelectorAll("span").forEach((label, place) => (label.textContent = labels[place]));
    document.querySelectorAll("#live .hm-moving path").forEach((path, place) => {
      let begins = true;
      const steps = now.points.map(({ time, scores }) => {
        if (!scores) begins = true;
        if (!scores) return "";
        const x = 600 * (1 - (moment - time) / SHOWN);
        const y = 155 - (150 * (scores[place] - least)) / (extent - least);
        const step = `${begins ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}${begins ? "h0" : ""}`;
        begins = false;
        return step;
      });
      path.setAttribute("d", steps.join(""));
    });
  }

  function show(state, message = "") {
    part("[data-does=start]").hidden = state !== "stop";
    part("[data-does=stop]").hidden = state === "stop";
    part(".hm-message").hidden = !message;
    part(".hm-message").textContent = message;
  }

  // The server forgets what it holds.
  function forget(now) {
    if (now.name) fetch(`live/${now.name}/end`, { method: "POST", keepalive: true }).catch(() => {});
    now.name = null;
  }

  function release(now) {
    clearInterval(now.timer);
    for (const track of now.stream?.getTracks() ?? []) track.stop();
    forget(now);
  }

  function stop(now, message) {
    if (now !== watching) return;
    watching = null;
    release(now);
    now.wake?.();
    part("video").srcObject = null;
    show("stop", message);
  }

  addEventListener("click", (event) => {
    const does = event.target.closest?.("#live [data-does]")?.dataset.does;
    if (does === "start" && !watching) start();
    if (does === "stop" && watching) stop(watching);
  });
  addEventListener("pagehide", () => watching && stop(watching));
})();
