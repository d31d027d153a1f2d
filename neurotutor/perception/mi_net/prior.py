"""Sentences in the alphabet: the movement encoder and the autoregressive prior, one network."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from neurotutor.checks import as_count, as_positive
from neurotutor.perception.mi_net.config import MiNetConfig
from neurotutor.perception.mi_net.performance import N_PITCHES, movement_features
from neurotutor.perception.mi_net.performers import JOINTS


class MovementEncoder(nn.Module):
    """A recurrent network that reads the skeleton forwards and backwards.

    Reading backwards is no leak: the movement of the whole clip is known before a sound is made.

    Args:
        units: of each direction.
    """

    def __init__(self, units: int):
        super().__init__()
        self.units = as_count("units", units)
        self.rnn = nn.GRU(4 * len(JOINTS), units, batch_first=True, bidirectional=True)

    def forward(
        self, keypoints: Float[Tensor, "clips frames joints two"]
    ) -> Float[Tensor, "clips frames hidden"]:
        """States h_t of both directions, shape (clips, frames, 2 * units).

        Raises:
            ValueError: as `movement_features` does.
        """
        return self.rnn(movement_features(keypoints))[0]


class MidiEncoder(nn.Module):
    """Two convolutions over the piano roll, then the mean over each pair of frames.

    Args:
        units: of both convolutions.
    """

    def __init__(self, units: int):
        super().__init__()
        self.first = nn.Conv1d(N_PITCHES, units, 5, padding=2)
        self.second = nn.Conv1d(units, units, 5, padding=2)

    def forward(
        self, rolls: Float[Tensor, "clips pitches frames"]
    ) -> Float[Tensor, "clips codes units"]:
        """What the notes add to the condition, one vector for each code.

        Raises:
            ValueError: for an odd number of frames, or other than 60 pitches.
        """
        if rolls.shape[1] != N_PITCHES or rolls.shape[2] % 2:
            raise ValueError(
                f"rolls must be (clips, {N_PITCHES}, an even number of frames), "
                f"got {tuple(rolls.shape)}"
            )
        found = self.second(functional.relu(self.first(rolls)))
        return functional.avg_pool1d(found, 2).transpose(1, 2)


class _GruCore(nn.Module):
    """Past codes and the condition to the next state: a GRU of several layers."""

    def __init__(self, config: MiNetConfig):
        super().__init__()
        self.enter = nn.Linear(config.embedding + config.midi_units, config.width)
        self.rnn = nn.GRU(config.width, config.width, config.layers, batch_first=True)

    def forward(self, past: Tensor, condition: Tensor) -> Tensor:
        return self.rnn(functional.relu(self.enter(torch.cat([past, condition], dim=-1))))[0]

    def stepper(self) -> Callable[[Tensor, Tensor], Tensor]:
        """A function from the last code and the condition of now to the state of now."""
        state: list[Tensor | None] = [None]

        def step(past: Tensor, condition: Tensor) -> Tensor:
            entered = functional.relu(self.enter(torch.cat([past, condition], dim=-1)))
            out, state[0] = self.rnn(entered[:, None], state[0])
            return out[:, 0]

        return step


class _TransformerCore(nn.Module):
    """The same with attention to the past: condition added before every layer."""

    def __init__(self, config: MiNetConfig):
        super().__init__()
        width = config.width
        self.enter = nn.Linear(config.embedding, width)
        self.positions = nn.Parameter(0.02 * torch.randn(config.frames, width))
        self.conditions = nn.ModuleList(
            nn.Linear(config.midi_units, width) for _ in range(config.layers)
        )
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, config.heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, past: Tensor, condition: Tensor) -> Tensor:
        n = past.shape[1]
        if n > len(self.positions):
            raise ValueError(f"this transformer has {len(self.positions)} positions, got {n} codes")
        hidden = self.enter(past) + self.positions[:n]
        future = torch.ones(n, n, dtype=torch.bool, device=past.device).triu(1)
        for layer, add in zip(self.layers, self.conditions, strict=True):
            hidden = layer(hidden + add(condition), src_mask=future)
        return self.norm(hidden)

    def stepper(self) -> Callable[[Tensor, Tensor], Tensor]:
        """As the GRU's; reads the whole past again at each step."""
        seen: tuple[list[Tensor], list[Tensor]] = ([], [])

        def step(past: Tensor, condition: Tensor) -> Tensor:
            seen[0].append(past)
            seen[1].append(condition)
            return self(torch.stack(seen[0], dim=1), torch.stack(seen[1], dim=1))[:, -1]

        return step


class MovementPrior(nn.Module):
    """Probability of each code, given the codes before it, the movement, and perhaps the notes.

    One network for three questions. Where a condition is left out, a learned vector (movement) or
    nothing (notes) stands in its place, and training leaves them out at random.

    Args:
        config: sizes; default: paper scale, a causal transformer.
        seed: of the first weights.
    """

    def __init__(self, config: MiNetConfig | None = None, *, seed: int = 0):
        super().__init__()
        config = MiNetConfig() if config is None else config
        self.config = config
        self.n_codes = config.n_codes
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.movement = MovementEncoder(config.movement_units)
            self.project = nn.Linear(2 * config.movement_units, config.midi_units)
            self.midi = MidiEncoder(config.midi_units)
            self.no_movement = nn.Parameter(torch.zeros(config.midi_units))
            # The last row stands for "nothing yet", before the first code.
            self.embed = nn.Embedding(config.n_codes + 1, config.embedding)
            core = _GruCore if config.core == "gru" else _TransformerCore
            self.core = core(config)
            self.head = nn.Linear(config.width, config.n_codes)
            # A small head makes the first guess nearly uniform: log2 K bits a code.
            nn.init.normal_(self.head.weight, std=0.01)
            nn.init.zeros_(self.head.bias)

    def condition(
        self,
        clips: int,
        frames: int,
        keypoints: Float[Tensor, "clips frames joints two"] | None = None,
        rolls: Float[Tensor, "clips pitches roll_frames"] | None = None,
        *,
        keep_movement: Bool[Tensor, " clips"] | None = None,
        keep_midi: Bool[Tensor, " clips"] | None = None,
    ) -> Float[Tensor, "clips frames units"]:
        """The vectors c_t: what is known about each moment besides the sound before it.

        Args:
            clips: how many clips.
            frames: codes of each.
            keypoints: the skeleton, as many frames as codes; None: not known.
            rolls: the notes, two frames for each code; None: not known.
            keep_movement: clips whose skeleton is used; default: all.
            keep_midi: clips whose notes are used; default: all.

        Raises:
            ValueError: if frames do not fit the codes.
        """
        found = self.no_movement.expand(clips, frames, -1)
        if keypoints is not None:
            if keypoints.shape[:2] != (clips, frames):
                raise ValueError(
                    f"keypoints must have one frame for each code, {(clips, frames)}, "
                    f"got {tuple(keypoints.shape[:2])}"
                )
            moved = self.project(self.movement(keypoints))
            keep = _all(clips) if keep_movement is None else keep_movement
            found = torch.where(keep[:, None, None].to(moved.device), moved, found)
        if rolls is not None:
            if rolls.shape[0] != clips or rolls.shape[2] != 2 * frames:
                raise ValueError(
                    f"rolls must be (clips, 60, two frames for each of {frames} codes), "
                    f"got {tuple(rolls.shape)}"
                )
            keep = _all(clips) if keep_midi is None else keep_midi
            found = found + self.midi(rolls) * keep[:, None, None].to(rolls)
        return found

    def forward(
        self,
        codes: Int[Tensor, "clips frames"],
        keypoints: Float[Tensor, "clips frames joints two"] | None = None,
        rolls: Float[Tensor, "clips pitches roll_frames"] | None = None,
        *,
        keep_movement: Bool[Tensor, " clips"] | None = None,
        keep_midi: Bool[Tensor, " clips"] | None = None,
    ) -> Float[Tensor, "clips frames n_codes"]:
        """Scores (logits) of each code; row t has seen the codes before t only.

        Args:
            codes: shape (clips, frames).
            keypoints: as for `condition`.
            rolls: as for `condition`.
            keep_movement: as for `condition`.
            keep_midi: as for `condition`.

        Raises:
            ValueError: for a code outside 0..K-1, or frames that do not fit.
        """
        if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < self.n_codes:
            raise ValueError(f"codes must lie in 0..{self.n_codes - 1}")
        condition = self.condition(
            *codes.shape, keypoints, rolls, keep_movement=keep_movement, keep_midi=keep_midi
        )
        past = functional.pad(codes[:, :-1], (1, 0), value=self.n_codes)
        return self.head(self.core(self.embed(past), condition))

    def loss(
        self, codes: Int[Tensor, "clips frames"], *conditions: Tensor | None, **keep: Tensor | None
    ) -> Float[Tensor, ""]:
        """Mean of -log p(z_t | past, condition), in nats; trains encoder and prior together."""
        logits = self(codes, *conditions, **keep)
        return functional.cross_entropy(logits.flatten(0, 1), codes.flatten())

    @torch.no_grad()
    def bits(
        self, codes: Int[Tensor, "clips frames"], *conditions: Tensor | None
    ) -> Float[Tensor, " clips"]:
        """Bits a code, for each clip: what it costs to write the clip down with this prior."""
        scores = self(codes, *conditions).log_softmax(dim=-1)
        chosen = scores.gather(-1, codes[..., None])[..., 0]
        return -chosen.mean(dim=1) / math.log(2)

    @torch.no_grad()
    def movement_code(
        self, keypoints: Float[Tensor, "clips frames joints two"]
    ) -> Float[Tensor, "clips hidden"]:
        """The movement code of each clip: the mean of the states h_t over the clip."""
        return self.movement(keypoints).mean(dim=1)

    @torch.no_grad()
    def sample(
        self,
        clips: int,
        frames: int,
        keypoints: Float[Tensor, "clips frames joints two"] | None = None,
        rolls: Float[Tensor, "clips pitches roll_frames"] | None = None,
        *,
        temperature: float | int = 1.0,
        seed: int = 0,
    ) -> Int[Tensor, "clips frames"]:
        """Draw codes one after the other, each given those before it.

        Args:
            clips: how many.
            frames: codes of each.
            keypoints: as for `condition`.
            rolls: as for `condition`.
            temperature: 1 draws from the model; less prefers likely codes.
            seed: of the draws.

        Raises:
            ValueError: for a temperature that is not positive, or frames that do not fit.
        """
        as_positive("temperature", temperature)
        device = self.embed.weight.device
        condition = self.condition(clips, frames, keypoints, rolls)
        generator = torch.Generator(device).manual_seed(as_count("seed", seed, 0))
        step = self.core.stepper()
        codes = torch.full((clips, frames + 1), self.n_codes, device=device)
        for t in range(frames):
            logits = self.head(step(self.embed(codes[:, t]), condition[:, t]))
            chances = (logits / temperature).softmax(dim=-1)
            codes[:, t + 1] = torch.multinomial(chances, 1, generator=generator)[:, 0]
        return codes[:, 1:]


def _all(clips: int) -> Tensor:
    return torch.ones(clips, dtype=torch.bool)
