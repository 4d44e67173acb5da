"""Who speaks? Every frame of an utterance is labelled with its speaker."""
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

BANDS, HIDDEN_DIM = 10, 24
LENGTH, N_SPEAKERS = 12, 6


def utterances(n, voices, g):
    speaker = torch.randint(N_SPEAKERS, (n,), generator=g)
    frames = voices[speaker].unsqueeze(1) + 1.5 * torch.randn(n, LENGTH, BANDS, generator=g)
    return frames, speaker.unsqueeze(1).repeat(1, LENGTH)


class SpeakerTagger(nn.Module):
    def __init__(self, hidden_dim):
        super(SpeakerTagger, self).__init__()
        self.hidden_dim = hidden_dim
        self.lstm = nn.LSTM(BANDS, hidden_dim, batch_first=True)
        self.hidden2speaker = nn.Linear(hidden_dim, N_SPEAKERS)

    def forward(self, frames):
        lstm_out, _ = self.lstm(frames)
        speaker_space = self.hidden2speaker(lstm_out)
        speaker_scores = F.log_softmax(speaker_space, dim=2)
        return speaker_scores


g = torch.Generator().manual_seed(31)
voices = torch.randn(N_SPEAKERS, BANDS, generator=g)
frames, speakers = utterances(1200, voices, g)
test_frames, test_speakers = utterances(300, voices, g)

torch.manual_seed(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
model = SpeakerTagger(HIDDEN_DIM)
loss_function = nn.NLLLoss()
optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

for epoch in range(10):
    for idx in torch.randperm(len(frames)).split(30):
        model.zero_grad()
        scores = model(frames[idx])
        loss = loss_function(scores.flatten(0, 1), speakers[idx].flatten())
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())

with torch.no_grad():
    hidden, _ = model.lstm(test_frames)
    predicted = model.hidden2speaker(hidden).argmax(-1)
print("frame accuracy:", (predicted == test_speakers).float().mean().item())
