// Plays the clip that was asked about beside its curve. The browser has the clip, so the server
// keeps none: what was chosen or dropped is remembered, a recording is fetched before it is gone.
window.hicmae = (() => {
  let chosen = null; // file that was last given to the input
  let clip = null; // address of the clip asked about, within this browser

  const remember = (event, files) => {
    if (event.target.closest?.("#clip") && files?.length) chosen = files[0];
  };
  addEventListener("change", (event) => remember(event, event.target.files), true);
  addEventListener("drop", (event) => remember(event, event.dataTransfer?.files), true);

  async function keep(uploaded) {
    if (!uploaded) return [uploaded];
    if (clip) URL.revokeObjectURL(clip);
    clip = null;
    let file = chosen;
    if (file?.name !== uploaded.orig_name || file.size !== uploaded.size) {
      const answer = await fetch(uploaded.url).catch(() => null);
      file = answer?.ok ? await answer.blob() : null;
    }
    if (file) clip = URL.createObjectURL(file);
    // The server takes the clip away now: its preview may load no more of it.
    for (const preview of document.querySelectorAll("#clip video")) {
      preview.removeAttribute("src");
      preview.load();
    }
    return [uploaded];
  }

  function show(player) {
    const video = player.querySelector("video");
    const curve = player.parentElement.querySelector(".hm-curve");
    video.addEventListener("error", () => {
      video.hidden = true;
      player.querySelector("p").hidden = false;
    });
    video.addEventListener("play", () => {
      for (const other of document.querySelectorAll("#answer video")) if (other !== video) other.pause();
    });
    if (curve) follow(video, curve);
    video.src = clip;
    player.hidden = false;
  }

  function follow(video, curve) {
    const { start, end, left, right } = Object.fromEntries(
      Object.entries(curve.dataset).map(([name, value]) => [name, Number(value)]),
    );
    const line = curve.querySelector(".hm-now");
    const draw = () => {
      // The sound of a clip may end a little after its pictures.
      const moment = Math.min(Math.max(video.currentTime, start), end);
      const share = (moment - start) / (end - start);
      line.hidden = Math.abs(video.currentTime - moment) > 0.5;
      line.style.left = `${100 * (left + share * (right - left))}%`;
      line.dataset.time = `${video.currentTime.toFixed(1)} s`;
      line.classList.toggle("hm-late", share > 0.8);
      if (!video.paused && video.isConnected) requestAnimationFrame(draw);
    };
    for (const event of ["loadedmetadata", "play", "pause", "seeking", "ended"]) video.addEventListener(event, draw);
    const seek = (event) => {
      const box = curve.getBoundingClientRect();
      const share = ((event.clientX - box.left) / box.width - left) / (right - left);
      video.currentTime = start + Math.min(Math.max(share, 0), 1) * (end - start);
    };
    curve.addEventListener("pointerdown", (event) => {
      curve.setPointerCapture(event.pointerId);
      seek(event);
    });
    curve.addEventListener("pointermove", (event) => event.buttons && seek(event));
    video.addEventListener("loadedmetadata", () => curve.classList.add("hm-seeks"));
  }

  // Answers come as HTML whose scripts a browser does not run.
  new MutationObserver(() => {
    if (clip) document.querySelectorAll("#answer .hm-player[hidden]").forEach(show);
  }).observe(document, { childList: true, subtree: true });

  return { keep };
})();
