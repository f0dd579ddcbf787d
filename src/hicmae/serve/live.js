// Camera and microphone go to the server as the browser records them; what it answers is drawn as a
// curve that moves on. Seconds count from the start of the recording.
(() => {
  const PIECE = 100; // milliseconds
  const MOST_WAITING = 300; // pieces that the server has not taken
  const SHOWN = 60; // seconds of the curve
  const KINDS = ["video/webm;codecs=vp8,opus", "video/webm;codecs=vp8", "audio/webm;codecs=opus"];
  const SENTENCES = {
    NotAllowedError: "The browser was not allowed to record: allow camera and microphone for this page beside its address, then start again.",
    NotFoundError: "There is no camera or microphone: plug one in, then start again.",
    NotReadableError: "The camera or microphone cannot be read: end what else uses it, then start again.",
    TypeError: "The server does not answer any more: start it, then load this page again.",
  };
  let watching = null;

  const part = (selector) => document.querySelector(`#live ${selector}`);
  const post = async (place, body, more) => (await fetch(place, { method: "POST", body, ...more })).json();

  async function devices({ sees, hears }) {
    if (!navigator.mediaDevices)
      throw Error("Browsers give camera and microphone only to pages of this computer (127.0.0.1) or over https.");
    const video = sees === "1" && { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 25, max: 30 } };
    const audio = hears === "1";
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
    const now = (watching = { pieces: [], points: [], missed: 0 });
    show("start");
    try {
      now.stream = await devices(document.querySelector("#live").dataset);
      const { name, error } = await post("live");
      if (error) throw Error(error);
      now.name = name;
      if (now !== watching) return end(now);
      const video = part("video");
      video.srcObject = now.stream;
      video.play().catch(() => {}); // a tab in the background need not show it
      const recorder = recorderOf(now.stream);
      for (const track of now.stream.getTracks())
        track.onended = () => stop(now, "The camera or microphone was taken away: plug it in, then start again.");
      recorder.onerror = () => stop(now, "The browser cannot record any more: start again.");
      recorder.ondataavailable = (event) => {
        now.pieces.push(event.data);
        if (now.pieces.length > MOST_WAITING)
          stop(now, "This computer takes no more of what is recorded: close other programs, then start again.");
        now.wake?.();
      };
      now.began = performance.now();
      recorder.start(PIECE);
      now.timer = setInterval(() => draw(now), 200);
      await send(now);
    } catch (error) {
      if (now !== watching) end(now);
      stop(now, SENTENCES[error.name] ?? error.message);
    }
  }

  async function send(now) {
    while (now === watching) {
      if (!now.pieces.length) await new Promise((wake) => (now.wake = wake));
      else take(now, await post(`live/${now.name}`, new Blob(now.pieces.splice(0))));
    }
  }

  function take(now, answer) {
    if (now !== watching) return;
    if (answer.error) return stop(now, answer.error);
    if (answer.note) part("[role=status]").textContent = answer.note;
    if (answer.note && answer.end) now.points.push({ time: answer.end });
    if (!answer.scores) return;
    const behind = (performance.now() - now.began) / 1000 - answer.end;
    now.missed += answer.missed;
    now.points.push({ time: (answer.start + answer.end) / 2, scores: answer.scores });
    Object.assign(document.querySelector("#live").dataset, { behind, end: answer.end, missed: now.missed });
    const left = now.missed ? ` · ${now.missed} window${now.missed > 1 ? "s" : ""} left out so far` : "";
    const used = answer.used ? ` · ${answer.used}` : "";
    part("[role=status]").textContent =
      `${behind.toFixed(1)} s behind · a window of ${(answer.end - answer.start).toFixed(1)} s${used}${left}`;
    headline(answer.scores);
    draw(now);
  }

  const isClasses = () => document.querySelector("#live").dataset.kind === "classification";
  const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);
  const bars = () => [...document.querySelectorAll("#live .hm-bar")];

  function headline(scores) {
    part(".hm-hint").hidden = true;
    part(".hm-course-now").hidden = false;
    const extent = Math.max(1, ...scores.map(Math.abs));
    const found = bars().map((row, place) => {
      const [score, bar] = [scores[place], row.querySelector("b")];
      const width = isClasses() ? score : Math.abs(score) / extent / 2;
      bar.style.left = `${100 * (isClasses() ? 0 : score < 0 ? 0.5 - width : 0.5)}%`;
      bar.style.width = `${100 * width}%`;
      const text = isClasses() ? `${Math.round(100 * score)}%` : signed(score);
      row.querySelector("em").textContent = text;
      return { score, text, name: row.querySelector("span").textContent, colour: bar.style.background };
    });
    const element = (kind, text) => Object.assign(document.createElement("span"), { className: kind, textContent: text });
    const title = part(".hm-headline div");
    if (isClasses()) {
      const best = found.reduce((one, other) => (other.score > one.score ? other : one));
      const dot = element("hm-dot", "");
      dot.style.background = best.colour;
      title.replaceChildren(dot, element("hm-emotion", best.name), element("hm-share", best.text));
    } else {
      title.replaceChildren(...found.map(({ name, text }) => element("hm-value", `${name} ${text}`)));
    }
  }

  function draw(now) {
    const moment = (performance.now() - now.began) / 1000;
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

  function end(now) {
    clearInterval(now.timer);
    for (const track of now.stream?.getTracks() ?? []) track.stop(); // ends what records them, too
    if (now.name) fetch(`live/${now.name}/end`, { method: "POST", keepalive: true }).catch(() => {});
  }

  function stop(now, message) {
    if (now !== watching) return;
    watching = null;
    end(now);
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
